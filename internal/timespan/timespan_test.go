package timespan

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestDurationsTakeGoSyntaxAndDays(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"7d": 7 * day, "1.5d": 36 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "3650d": 3650 * day,
	} {
		got, err := Parse(in)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestBadDurationsSayWhatToWrite(t *testing.T) {
	const shape = `must be a duration such as 500ms, 90s, 1h30m or 7d, not `
	for in, want := range map[string]string{
		"":             shape + `""`,
		"x":            shape + `"x"`,
		"30":           "needs a unit, as in 30s or 30m",
		"d":            shape + `"d"`,
		"1d-2h":        shape + `"1d-2h"`,
		"0x1d":         shape + `"0x1d"`,
		"NaNd":         shape + `"NaNd"`,
		"1e9d":         shape + `"1e9d"`,
		"-5s":          `must not be negative, but is "-5s"`,
		"-1d":          `must not be negative, but is "-1d"`,
		"3651d":        `must be at most 3650d, not "3651d"`,
		"99999999d":    `must be at most 3650d, not "99999999d"`,
		"999999h":      `must be at most 3650d, not "999999h"`,
		"1d\x1b[31m":   shape + `"1d\x1b[31m"`,
		"99999999999h": shape + `"99999999999h"`,
	} {
		if got, err := Parse(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"0s", "7d", "1.5d", "1d12h", "-1d", "1d-2h", "1e9d", "NaNd", "0x1p4d", "d", "99999999999999999999d", "9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err == nil && (d < 0 || d > task.MaxDuration) {
			t.Errorf("%q was taken as %v", s, d)
		}
		if again, err := Parse(d.String()); err != nil || again != d {
			t.Errorf("%q gave %v, which reads as %v, %v", s, d, again, err)
		}
	})
}

func TestTextIsReadBack(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "7d": 7 * day, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "10m": 10 * time.Minute, "1h0m5s": time.Hour + 5*time.Second, "1.5s": 1500 * time.Millisecond,
	} {
		back, err := Parse(Text(d))
		if Text(d) != want || err != nil || back != d {
			t.Errorf("%v is %s and is read as %v, %v; want %s", d, Text(d), back, err, want)
		}
	}
}
