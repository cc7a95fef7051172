package terminal

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const aDay = 24 * time.Hour

// LocalTime is a time for a person.
func LocalTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// LocalTimeMS is localTime where many things happen in a second.
func LocalTimeMS(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// RelativeTime says how long ago a time was, or how far ahead it is.
func RelativeTime(t time.Time) string {
	if d := time.Until(t); d > 0 {
		return "in " + ShortDuration(d)
	}
	return Ago(time.Since(t))
}

// Ago says how long ago something was. The clocks of two machines may differ
// by more than that.
func Ago(d time.Duration) string { return ShortDuration(max(d, 0)) + " ago" }

// Age says how long ago t was, for a table; "-" where it never was.
func Age(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return "-"
	case d < 0:
		return "in " + ShortDuration(-d)
	default:
		return ShortDuration(d)
	}
}

// Duration shortens d for a person: three significant figures are plenty.
func Duration(d time.Duration) string {
	switch {
	case d == task.Forever:
		return "none"
	case d >= 2*aDay:
		return ShortDuration(d)
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	default:
		d = d.Round(10 * time.Microsecond)
	}
	return d.String()
}

// ShortDuration is a duration for a narrow column: two units at most, whole
// seconds from ten on.
func ShortDuration(d time.Duration) string {
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
