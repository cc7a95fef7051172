package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// maxDuration is the longest duration in a task, a flag or a config file.
const maxDuration = task.MaxDuration

const day = 24 * time.Hour

// ParseDuration reads a duration in the syntax of Go, with days in front of it: "90s",
// "1h30m", "7d", "1.5d", "1d12h". It must be from 0 to 3650d.
func ParseDuration(s string) (time.Duration, error) {
	rest, days := s, 0.0
	if i := strings.IndexByte(s, 'd'); i >= 0 {
		n, err := strconv.ParseFloat(s[:i], 64)
		// ParseFloat also takes hexadecimal numbers, NaN and exponents.
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
		return 0, fmt.Errorf("must not be negative, but is %s", terminal.Quoted(s))
	case total > float64(maxDuration):
		return 0, fmt.Errorf("must be at most 3650d, not %s", terminal.Quoted(s))
	}
	return time.Duration(math.Round(days*float64(day))) + d, nil
}

func badDuration(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return fmt.Errorf("needs a unit, as in %ss or %sm", s, s)
	}
	return fmt.Errorf("must be a duration such as 500ms, 90s, 1h30m or 7d, not %s", terminal.Quoted(s))
}
