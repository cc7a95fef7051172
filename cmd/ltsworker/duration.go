package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const day = 24 * time.Hour

// maxDuration is the longest time that a task, a flag or a config file may name.
const maxDuration = task.MaxDuration

// parseDuration reads Go's syntax plus days in front: "90s", "1h30m", "7d",
// "1.5d", "1d12h". Negative ones and those past maxDuration are refused.
func parseDuration(s string) (time.Duration, error) {
	rest, days := s, 0.0
	if i := strings.IndexByte(s, 'd'); i >= 0 {
		n, err := strconv.ParseFloat(s[:i], 64)
		// ParseFloat takes more than decimal numbers: hexadecimal, NaN, exponents.
		if err != nil || strings.Trim(s[:i], "0123456789.-+") != "" {
			return 0, badDuration(s)
		}
		days, rest = n, s[i+1:]
		if rest == "" {
			rest = "0"
		} else if rest[0] == '-' || rest[0] == '+' {
			return 0, badDuration(s)
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, badDuration(s)
	}
	total := days*float64(day) + float64(d)
	switch {
	case total < 0:
		return 0, fmt.Errorf("must not be negative, as %s is", quoted(s))
	case total > float64(maxDuration):
		return 0, fmt.Errorf("must be at most 3650d, not %s", quoted(s))
	}
	return time.Duration(math.Round(days*float64(day))) + d, nil
}

func badDuration(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("needs a unit, as in %ss or %sm", s, s)
	}
	return fmt.Errorf("must be a duration such as 500ms, 90s, 1h30m or 7d, not %s", quoted(s))
}

// durationFlag is a duration on the command line. A word, where there is one,
// stands for task.Forever.
type durationFlag struct {
	value time.Duration
	set   bool
	word  string // "none", "forever"; "" where the flag has no such meaning
}

func (f *durationFlag) Set(s string) error {
	if f.word != "" && s == f.word {
		f.value, f.set = task.Forever, true
		return nil
	}
	d, err := parseDuration(s)
	if err != nil {
		if f.word != "" {
			return fmt.Errorf("%w, or %s", err, f.word)
		}
		return err
	}
	f.value, f.set = d, true
	return nil
}

func (f *durationFlag) String() string {
	if !f.set {
		return ""
	}
	return formatDuration(f.value)
}

func (f *durationFlag) Type() string { return "duration" }

// errWaitedLongEnough is the cause of a wait's end by its own --timeout.
var errWaitedLongEnough = errors.New("the time to wait has passed")

// bound ends a context after the duration, where the flag was given, because of
// errWaitedLongEnough.
func (f *durationFlag) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if !f.set {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, f.value, errWaitedLongEnough)
}

// timeFlag is an instant on the command line.
type timeFlag struct{ value time.Time }

func (f *timeFlag) Set(s string) error {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errors.New("must be a time like 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+02:00")
	}
	f.value = t
	return nil
}

func (f *timeFlag) String() string {
	if f.value.IsZero() {
		return ""
	}
	return f.value.Format(time.RFC3339)
}

func (f *timeFlag) Type() string { return "time" }

// formatDuration shortens d for a person: three significant figures are plenty.
func formatDuration(d time.Duration) string {
	switch {
	case d == task.Forever:
		return "none"
	case d >= 2*day:
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
	case d >= 2*day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
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
