package main

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const aDay = 24 * time.Hour

// localTime is a time for a person.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// localTimeMS is localTime where many things happen in a second.
func localTimeMS(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// away says how long ago a time was, or how far ahead it is.
func away(t time.Time) string {
	if d := time.Until(t); d > 0 {
		return "in " + shortDuration(d)
	}
	return agoText(time.Since(t))
}

// agoText says how long ago something was. The clocks of two machines may differ
// by more than that.
func agoText(d time.Duration) string { return shortDuration(max(d, 0)) + " ago" }

// since says how long ago t was, for a table; "-" where it never was.
func since(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return "-"
	case d < 0:
		return "in " + shortDuration(-d)
	default:
		return shortDuration(d)
	}
}

// formatDuration shortens d for a person: three significant figures are plenty.
func formatDuration(d time.Duration) string {
	switch {
	case d == task.Forever:
		return "none"
	case d >= 2*aDay:
		return shortDuration(d)
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	default:
		d = d.Round(10 * time.Microsecond)
	}
	return d.String()
}

// shortDuration is a duration for a narrow column: two units at most, whole
// seconds from ten on.
func shortDuration(d time.Duration) string {
	switch {
	case d >= 2*aDay:
		return fmt.Sprintf("%dd%dh", d/aDay, d%aDay/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= 10*time.Second:
		return d.Truncate(time.Second).String()
	case d >= time.Second:
		return d.Truncate(100 * time.Millisecond).String()
	}
	return d.Truncate(time.Millisecond).String()
}
