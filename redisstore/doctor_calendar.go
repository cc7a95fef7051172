package redisstore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// calendarNotice is how long before its end the data of a calendar is reported.
const calendarNotice = 31 * 24 * time.Hour

// inspectCalendars reports calendars of triggers whose data ends soon or has ended.
func (s *Store) inspectCalendars(ctx context.Context, live []task.ReplicaInfo, now time.Time, add adder) error {
	first := map[string]task.ReplicaInfo{} // the replica whose data of the calendar ends first
	for _, r := range live {
		for name, end := range r.CalendarEnds {
			if known, ok := first[name]; end.Before(now.Add(calendarNotice)) && (!ok || end.Before(known.CalendarEnds[name])) {
				first[name] = r
			}
		}
	}
	if len(first) == 0 {
		return nil
	}
	users, err := s.calendarUsers(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(first)) {
		triggers, r := users[name], first[name]
		if len(triggers) == 0 {
			continue
		}
		add("calendar_ends", named("trigger", triggers[0]), count("triggers", len(triggers)), count("others", len(triggers)-1), named("calendar", name),
			named("replica", r.ID), named("ends", r.CalendarEnds[name].UTC().Format(time.DateOnly)))
	}
	return nil
}

// calendarUsers returns the triggers by the names of the calendars that they use.
func (s *Store) calendarUsers(ctx context.Context) (map[string][]string, error) {
	names, err := s.TriggerNames(ctx)
	if err != nil {
		return nil, err
	}
	stored, _, err := s.Triggers(ctx, names...)
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, t := range stored {
		var def struct {
			Calendar       string `json:"calendar"`
			ExceptCalendar string `json:"except_calendar"`
		}
		if json.Unmarshal([]byte(t.Definition), &def) != nil {
			continue // a replica logs it when the trigger is due
		}
		for _, name := range []string{def.Calendar, def.ExceptCalendar} {
			if name != "" && !slices.Contains(users[name], t.Name) {
				users[name] = append(users[name], t.Name)
			}
		}
	}
	return users, nil
}
