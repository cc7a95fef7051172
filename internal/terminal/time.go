package terminal

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const aDay = 24 * time.Hour

// LocalTime returns t in the local zone, to the second.
func LocalTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// LocalTimeMS is LocalTime to the millisecond.
func LocalTimeMS(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// RelativeTo returns how long before now t was, as in "5m0s ago", or how far ahead it is,
// as in "in 5m0s". now is the time of the clock that t is from.
func RelativeTo(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + ShortDuration(d)
	}
	return Ago(now.Sub(t))
}

// Ago returns d as in "5m0s ago". A negative d is 0: the clocks of two machines differ.
func Ago(d time.Duration) string { return ShortDuration(max(d, 0)) + " ago" }

// AgeAt returns how long ago t was, for a table. The zero time is "-". now is the time of
// the clock that t is from.
func AgeAt(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "-"
	case d < 0:
		return "in " + ShortDuration(-d)
	default:
		return ShortDuration(d)
	}
}

// Duration returns d rounded for a person, to about three significant figures.
// task.Forever is "none".
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

// ShortDuration returns d for a narrow column: with two units at most, and in whole
// seconds from ten seconds on.
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
