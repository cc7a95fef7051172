// Package calendar has sets of days on which triggers fire or do not fire: the days of the
// week, the official work days of China, and files in JSON and ICS.
//
// A day is a time.Time at midnight in UTC whose date is meant.
package calendar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/trigger/schedule"
)

// Calendar is a set of days. It is safe for concurrent use.
type Calendar struct {
	base  *Calendar // decides about days that are not listed; nil for none of them
	rule  func(day time.Time) bool
	days  map[time.Time]bool // listed days: true for those in the calendar
	until time.Time
}

// Has reports whether the calendar has the day.
func (c *Calendar) Has(day time.Time) bool {
	day = date(day)
	if in, listed := c.days[day]; listed {
		return in
	}
	if c.rule != nil {
		return c.rule(day)
	}
	return c.base != nil && c.base.Has(day)
}

// Until returns the last day of the data; zero if the data has no end. What Has reports
// about later days is a guess.
func (c *Calendar) Until() time.Time {
	if c.until.IsZero() && c.base != nil {
		return c.base.Until()
	}
	return c.until
}

func date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// builtin are the calendars that need no file.
var builtin = map[string]func() *Calendar{
	"weekdays":    weekdays,
	"cn-workdays": chinaWorkdays,
}

// Named returns a calendar that needs no file: weekdays (Monday to Friday) or cn-workdays
// (the work days of China, with moved ones).
func Named(name string) (*Calendar, error) {
	make, known := builtin[name]
	if !known {
		return nil, fmt.Errorf("no calendar %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(builtin)), ", "))
	}
	return make(), nil
}

func weekdays() *Calendar { return &Calendar{rule: isWeekday} }

func isWeekday(day time.Time) bool {
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
}

// Builtin returns the calendars of Named by their names. Their data is read when they are
// used.
func Builtin() map[string]schedule.Calendar {
	all := make(map[string]schedule.Calendar, len(builtin))
	for name, make := range builtin {
		all[name] = lazy(make)
	}
	return all
}

// lazy is a calendar that is made when it is used.
type lazy func() *Calendar

func (l lazy) Has(day time.Time) bool { return l().Has(day) }

// Until is that of Calendar.
func (l lazy) Until() time.Time { return l().Until() }
