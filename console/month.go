package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/trigger"
)

const (
	// mostOfDay is how many planned times of a trigger a day of the calendar names.
	mostOfDay = 3
	// mostInCalendar is how many triggers a calendar has.
	mostInCalendar = 100
)

// month is a calendar of planned times in a zone.
type month struct {
	First          time.Time // the date of the first day of the month, in UTC
	Zone           string
	zone           *time.Location
	Weeks          [][7]calendarDay
	Before, After  string   // other months, as the parameter has them; "" if it is too far away
	Zones          []string // that triggers have
	More           int      // triggers that are not shown
	Named, Current bool     // it is of one trigger; it is the month of now
}

// From is the first day that the calendar shows.
func (m *month) From() time.Time { return m.Weeks[0][0].Date }

// calendarDay is a day of a month, or of the one before or after it.
type calendarDay struct {
	Date    time.Time // midnight in UTC
	Outside bool      // of another month
	Today   bool
	Items   []planned
}

// planned are the planned times of a trigger on a day.
type planned struct {
	Trigger string
	Times   []string // the first ones, as times of day
	More    bool     // there are further ones
}

// month makes the calendar of triggers for the month that the request names, from now on.
func (q *request) month(triggers []*pool.TriggerInfo, now time.Time, zoneName string) (*month, error) {
	zone, err := time.LoadLocation(cmp.Or(zoneName, "UTC"))
	if err != nil || zoneName == "Local" {
		return nil, wrong("zone", "wrong.zone")
	}
	today := dateOf(now.In(zone))
	first := today.AddDate(0, 0, 1-today.Day())
	m := &month{Zone: zone.String(), zone: zone, First: first}
	if text := q.FormValue("month"); text != "" {
		if m.First, err = time.Parse("2006-01", text); err != nil {
			return nil, &problem{http.StatusBadRequest, "error.form", []any{"month"}}
		}
	}
	m.Current = m.First.Equal(first)
	last := first.AddDate(2, 0, 0)
	if m.First.Before(first) || m.First.After(last) {
		return nil, &problem{http.StatusBadRequest, "error.month", nil}
	}
	if m.First.After(first) {
		m.Before = m.First.AddDate(0, -1, 0).Format("2006-01")
	}
	if m.First.Before(last) {
		m.After = m.First.AddDate(0, 1, 0).Format("2006-01")
	}
	begin, end := monday(m.First), m.First.AddDate(0, 1, 0)
	if m.Current { // what has passed is in the histories: the calendar begins with this week
		begin = monday(today)
		end = later(end, begin.AddDate(0, 0, 5*7))
	}
	for day := begin; day.Before(end); day = day.AddDate(0, 0, 7) {
		var week [7]calendarDay
		for i := range week {
			d := day.AddDate(0, 0, i)
			week[i] = calendarDay{Date: d, Outside: d.Month() != m.First.Month(), Today: d.Equal(today)}
		}
		m.Weeks = append(m.Weeks, week)
	}
	m.More = max(len(triggers)-mostInCalendar, 0)
	for _, t := range triggers[:len(triggers)-m.More] {
		if err := q.Context().Err(); err != nil {
			return nil, err
		}
		m.add(q, t)
	}
	return m, nil
}

// add adds the planned times of a trigger. A trigger that is paused has none.
func (m *month) add(q *request, t *pool.TriggerInfo) {
	if t.Paused || t.Err != nil || t.Next.IsZero() {
		return
	}
	// Each planned time of a fixed rate is an anchor of it.
	plan, err := trigger.NewPlan(&t.Trigger, t.Next, q.c.opts.Calendars)
	if err != nil {
		return
	}
	at := t.Next
	if begin := beginOf(m.From(), m.zone); at.Before(begin) {
		at = plan.Next(begin.Add(-time.Millisecond)) // zero for a fixed delay
	}
	for w := range m.Weeks {
		for d := range m.Weeks[w] {
			day := &m.Weeks[w][d]
			tomorrow := beginOf(day.Date.AddDate(0, 0, 1), m.zone)
			p := planned{Trigger: t.Name}
			for !at.IsZero() && at.Before(tomorrow) {
				if len(p.Times) == mostOfDay {
					p.More = true
					at = plan.Next(tomorrow.Add(-time.Millisecond))
					break
				}
				p.Times = append(p.Times, clock(at.In(m.zone)))
				at = plan.Next(at)
			}
			if len(p.Times) > 0 {
				day.Items = append(day.Items, p)
			}
		}
	}
}

// dateOf returns the date of a time in its zone, as midnight in UTC. Dates are computed in UTC,
// because a date of another zone may have no midnight.
func dateOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// beginOf returns the first instant of a date in a zone.
func beginOf(date time.Time, zone *time.Location) time.Time {
	t := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
	begin, end := t.ZoneBounds()
	if dateOf(t).Before(date) { // the clock goes forward at midnight: the date begins with the new offset
		return end
	}
	if !begin.IsZero() { // if the clock goes back within the date, midnight may be twice
		_, offset := t.Zone()
		_, before := begin.Add(-time.Nanosecond).In(zone).Zone()
		if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(begin) && dateOf(earlier).Equal(date) {
			return earlier
		}
	}
	return t
}

// monday returns the Monday of the week of a date.
func monday(date time.Time) time.Time { return date.AddDate(0, 0, -(int(date.Weekday())+6)%7) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clock shows a time of day, with seconds if it has some.
func clock(t time.Time) string {
	if t.Second() == 0 {
		return t.Format("15:04")
	}
	return t.Format("15:04:05")
}

// calendar is the page of the planned times of all triggers.
func (q *request) calendar() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	m, err := q.month(p.Triggers, p.At, q.FormValue("zone"))
	if err != nil {
		return err
	}
	zones := map[string]bool{"UTC": true, m.Zone: true}
	for _, t := range p.Triggers {
		zones[cmp.Or(t.Zone, "UTC")] = true
	}
	for name := range zones {
		m.Zones = append(m.Zones, name)
	}
	slices.Sort(m.Zones)
	return q.render("calendar", p.At, m)
}
