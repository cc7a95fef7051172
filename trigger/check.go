package trigger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	_ "time/tzdata" // zones must be known on machines without them

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger/schedule"
)

// check returns what is wrong with the fields that need no schedule, as joined
// FieldErrors.
func (d *Definition) check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	if err := task.CheckName(d.Name); err != nil {
		add("name", "%v", err)
	}
	d.checkTimes(add)
	if d.Jitter < 0 || d.Jitter > MaxJitter {
		add("jitter", "must be from 0 to %v, not %v", MaxJitter, d.Jitter)
	}
	choice(add, "misfire", d.Misfire, "", MisfireSkip, MisfireOnce, MisfireAll)
	choice(add, "overlap", d.Overlap, "", OverlapAllow, OverlapSkip, OverlapQueue, OverlapStop)
	if d.MisfireMax < 0 || d.MisfireMax > MaxMisfireMax {
		add("misfire_max", "must be from 1 to %d, not %d", MaxMisfireMax, d.MisfireMax)
	} else if d.MisfireMax > 0 && d.Misfire != MisfireAll {
		add("misfire_max", "needs the misfire rule %q", MisfireAll)
	}
	within := func(field string, v time.Duration) {
		if v < 0 || v > task.MaxDuration {
			add(field, "must be from 0 to %v, not %v", task.MaxDuration, v)
		}
	}
	within("catch_up", d.CatchUp)
	within("grace", d.Grace)
	d.checkTask(add)
	if err := d.Task.Check(); err != nil {
		errs = append(errs, prefixed("task.", err)...)
	}
	return errors.Join(errs...)
}

// checkTimes checks that exactly one schedule is set, and what may be set with it.
func (d *Definition) checkTimes(add func(field, format string, args ...any)) {
	var set []string
	for _, s := range []struct {
		field string
		set   bool
	}{{"cron", d.Cron != ""}, {"every", d.Every != 0}, {"after", d.After != 0}, {"daily", d.Daily != nil}, {"at", !d.At.IsZero()}} {
		if s.set {
			set = append(set, s.field)
		}
	}
	switch len(set) {
	case 0:
		add("cron", "is missing: set one of cron, every, after, daily and at")
	case 1:
	default:
		add(set[1], "and %s cannot both be set", set[0])
	}
	if d.After != 0 {
		if d.After < schedule.MinEvery || d.After > task.MaxDuration {
			add("after", "must be from %v to %v, not %v", schedule.MinEvery, task.MaxDuration, d.After)
		}
		if d.Calendar != "" || d.ExceptCalendar != "" {
			add("after", "and a calendar cannot both be set: use cron or daily")
		}
		if d.Overlap != "" {
			add("overlap", "and after cannot both be set: the trigger has at most one task")
		}
	}
	if d.Every > task.MaxDuration {
		add("every", "must be at most %v", task.MaxDuration)
	}
	for _, v := range []struct {
		field string
		d     time.Duration
	}{{"every", d.Every}, {"after", d.After}, {"jitter", d.Jitter}, {"catch_up", d.CatchUp}, {"grace", d.Grace}} {
		if v.d%time.Millisecond != 0 {
			add(v.field, "must be a whole number of milliseconds, not %v", v.d)
		}
	}
	for _, v := range []struct {
		field string
		t     time.Time
	}{{"at", d.At}, {"start", d.Start}, {"end", d.End}} {
		if !v.t.IsZero() && (v.t.UnixMilli() < 0 || v.t.UnixMilli() > task.MaxRunAt) {
			add(v.field, "must be between the years 1970 and 2200")
		}
	}
	if !d.End.IsZero() && !d.End.After(d.Start) {
		add("end", "must be after the start")
	}
	if !d.At.IsZero() && !d.End.IsZero() && !d.At.Before(d.End) {
		add("at", "must be before the end")
	}
}

// checkTask checks the fields of the task that a trigger sets itself.
func (d *Definition) checkTask(add func(field, format string, args ...any)) {
	if d.Task.ID != "" {
		add("task.id", "must not be set: each firing makes a task with a new id")
	}
	if !d.Task.RunAt.IsZero() {
		add("task.run_at", "must not be set: the trigger decides when the task starts; use delay")
	}
	if d.Task.Reply {
		add("task.reply", "must not be set: no program waits for the reply")
	}
	if next := d.Task.Then; next != nil {
		if next.ID != "" {
			add("task.then.id", "must not be set: each firing makes a task with a new id")
		}
		if !next.RunAt.IsZero() {
			add("task.then.run_at", "must not be set: use delay")
		}
	}
	if d.PayloadTemplate == "" {
		return
	}
	if len(d.Task.Payload) > 0 {
		add("payload_template", "and task.payload cannot both be set")
	}
	if !utf8.ValidString(d.PayloadTemplate) {
		add("payload_template", "must be valid UTF-8")
	}
	if len(d.PayloadTemplate) > task.MaxPayload/2 {
		add("payload_template", "must have at most %d bytes", task.MaxPayload/2)
	}
}

// choice checks that a value is one of the choices. The first one is the default.
func choice[T ~string](add func(field, format string, args ...any), field string, v T, choices ...T) {
	if slices.Contains(choices, v) {
		return
	}
	names := make([]string, 0, len(choices))
	for _, c := range choices[1:] {
		names = append(names, string(c))
	}
	add(field, "must be one of %s, not %q%s", strings.Join(names, ", "), task.Clip(string(v)), meant(string(v), names))
}

// meant returns "; did you mean NAME?", or "" if no name is near.
func meant(word string, names []string) string {
	if near := spelling.Nearest(word, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// prefixed puts a prefix in front of the fields of joined FieldErrors.
func prefixed(prefix string, err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		var f *task.FieldError
		if errors.As(e, &f) {
			e = &task.FieldError{Field: prefix + f.Field, Msg: f.Msg}
		}
		errs = append(errs, e)
	}
	return errs
}

// zones are well-known time zones, to suggest one.
var zones = []string{
	"UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Madrid", "Europe/Rome", "Europe/Vienna", "Europe/Zurich",
	"Europe/Moscow", "Europe/Istanbul", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
	"America/Toronto", "America/Sao_Paulo", "America/Mexico_City", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Tokyo",
	"Asia/Seoul", "Asia/Kolkata", "Asia/Dubai", "Asia/Jakarta", "Australia/Sydney", "Africa/Johannesburg", "Africa/Cairo",
	"Pacific/Auckland",
}

// loadZone returns a time zone. The zone of the machine has no name here, because replicas
// may run on machines with different ones.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New("must not be Local, which differs between machines: name a zone such as Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("names no time zone: %q%s", task.Clip(name), cmp.Or(meant(name, zones), "; zones have names such as Europe/Berlin"))
	}
	return zone, nil
}

func findCalendar(calendars map[string]Calendar, name string) (Calendar, error) {
	if c := calendars[name]; c != nil {
		return c, nil
	}
	known := slices.Sorted(maps.Keys(calendars))
	if len(known) == 0 {
		return nil, fmt.Errorf("names a calendar that this program does not have: %q; it has none", task.Clip(name))
	}
	return nil, fmt.Errorf("names a calendar that this program does not have: %q%s; it has %s", task.Clip(name), meant(name, known), strings.Join(known, ", "))
}

func (d *Definition) grace() time.Duration   { return cmp.Or(d.Grace, DefaultGrace) }
func (d *Definition) catchUp() time.Duration { return cmp.Or(d.CatchUp, DefaultCatchUp) }
func (d *Definition) misfireMax() int        { return cmp.Or(d.MisfireMax, DefaultMisfireMax) }
func (d *Definition) overlap() Overlap       { return cmp.Or(d.Overlap, OverlapAllow) }
