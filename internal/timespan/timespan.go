// Package timespan reads and writes durations as users write them: in flags, config files and forms.
package timespan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const day = 24 * time.Hour

// Parse reads a duration in the syntax of Go, with days in front of it: "90s", "1h30m", "7d",
// "1.5d", "1d12h". It must be from 0 to 3650d, which is task.MaxDuration.
func Parse(s string) (time.Duration, error) {
	rest, days := s, 0.0
	if i := strings.IndexByte(s, 'd'); i >= 0 {
		n, err := strconv.ParseFloat(s[:i], 64)
		// ParseFloat also takes hexadecimal numbers, NaN and exponents.
		if err != nil || strings.Trim(s[:i], "0123456789.-+") != "" {
			return 0, malformed(s)
		}
		days, rest = n, s[i+1:]
		if rest == "" {
			rest = "0"
		} else if rest[0] == '-' || rest[0] == '+' {
			return 0, malformed(s)
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, malformed(s)
	}
	total := days*float64(day) + float64(d)
	switch {
	case total < 0:
		return 0, fmt.Errorf("must not be negative, but is %s", quoted(s))
	case total > float64(task.MaxDuration):
		return 0, fmt.Errorf("must be at most 3650d, not %s", quoted(s))
	}
	return time.Duration(math.Round(days*float64(day))) + d, nil
}

// Text returns a duration as Parse reads it: "7d", "1h30m", "0s".
func Text(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func malformed(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("needs a unit, as in %ss or %sm", s, s)
	}
	return fmt.Errorf("must be a duration such as 500ms, 90s, 1h30m or 7d, not %s", quoted(s))
}

// quoted quotes a text for a message. It cuts a long one.
func quoted(s string) string { return strconv.Quote(task.Clip(s)) }
