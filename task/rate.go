package task

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// MaxRate is the most starts per unit of a Rate, and its greatest burst.
const MaxRate = 1_000_000

// Rate bounds how many tasks start per time. In every window of the length t at most t·N/Per
// + Burst tasks start, over all replicas. Every start of an attempt counts, also that of a
// retry. The zero Rate sets nothing.
type Rate struct {
	N   int           // starts per Per, from 1 to MaxRate; NoLimit in the Rate NoRate
	Per time.Duration // time.Second, time.Minute or time.Hour
	// Burst is how many may start at once after a pause, from 1 to MaxRate. Default: the starts
	// of a tenth of a second, at least 1.
	Burst int
}

// NoRate is the Rate that says "no rate" where the zero Rate sets nothing. A group with
// NoRate is exempt from the rate of GroupsScope.
var NoRate = Rate{N: NoLimit}

// PerSecond returns the rate of n starts per second with the default burst.
func PerSecond(n int) Rate { return Rate{N: n, Per: time.Second} }

// PerMinute returns the rate of n starts per minute with the default burst.
func PerMinute(n int) Rate { return Rate{N: n, Per: time.Minute} }

// PerHour returns the rate of n starts per hour with the default burst.
func PerHour(n int) Rate { return Rate{N: n, Per: time.Hour} }

// WithBurst returns the rate with another burst.
func (r Rate) WithBurst(n int) Rate {
	r.Burst = n
	return r
}

// WithDefaults returns the rate with its default burst filled in.
func (r Rate) WithDefaults() Rate {
	if r.Burst == 0 && r.N > 0 && r.Per > 0 {
		perTenth := int64(r.N) * int64(100*time.Millisecond)
		r.Burst = max(1, int((perTenth+int64(r.Per)-1)/int64(r.Per)))
	}
	return r
}

// Limits reports whether the rate limits anything. It is false for the zero Rate and NoRate.
func (r Rate) Limits() bool { return r.N > 0 }

var rateUnits = map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}

// String returns the rate as ParseRate reads it, "" for the zero Rate.
func (r Rate) String() string {
	switch {
	case r == Rate{}:
		return ""
	case r == NoRate:
		return "none"
	}
	r = r.WithDefaults()
	return fmt.Sprintf("%d/%s burst %d", r.N, rateUnits[r.Per], r.Burst)
}

var rateForm = regexp.MustCompile(`^(\d+)/(s|m|h)(?: +burst +(\d+))?$`)

// ParseRate reads a rate such as "100/s burst 10", "5/m" or "none".
func ParseRate(text string) (Rate, error) {
	if text == "none" {
		return NoRate, nil
	}
	m := rateForm.FindStringSubmatch(text)
	if m == nil {
		return Rate{}, fmt.Errorf(`must be a number per s, m or h, such as "100/s" or "5/m burst 10", or none, not %q`, Clip(text))
	}
	r := Rate{Per: map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[m[2]]}
	r.N, _ = strconv.Atoi(m[1]) // a number that is too large stays too large
	if m[3] != "" {
		if r.Burst, _ = strconv.Atoi(m[3]); r.Burst == 0 {
			return Rate{}, fmt.Errorf("has a burst of 0: a burst is at least 1, so that a task can start")
		}
	}
	return r, r.Check()
}

// Check returns what is wrong with the rate. The zero Rate and NoRate are valid.
func (r Rate) Check() error {
	switch {
	case r == Rate{}, r == NoRate:
		return nil
	case r.N == 0:
		return fmt.Errorf("lets no task start: pause the queue for that, or write none for no rate")
	case r.N < 0 || r.N > MaxRate:
		return fmt.Errorf("must be from 1 to %d starts per unit, not %d", MaxRate, r.N)
	case rateUnits[r.Per] == "":
		return fmt.Errorf("must be per second, minute or hour, not per %v", r.Per)
	case r.Burst < 0 || r.Burst > MaxRate:
		return fmt.Errorf("must have a burst from 1 to %d, not %d", MaxRate, r.Burst)
	}
	return nil
}

// The bounds of the aging of a queue.
const (
	MinAging = time.Millisecond
	MaxAging = 24 * time.Hour
)

// NoAging is the aging of a queue that says "no aging" where 0 sets nothing.
const NoAging = time.Duration(-1)

// CheckAging returns what is wrong with the aging of a queue. 0 and NoAging are valid.
func CheckAging(step time.Duration) error {
	switch {
	case step == 0, step == NoAging:
		return nil
	case step < MinAging || step > MaxAging:
		return fmt.Errorf("must be from %v to %v per priority, not %v; NoAging (none) for strict priority", MinAging, MaxAging, step)
	case step%time.Millisecond != 0:
		return fmt.Errorf("must be whole milliseconds, not %v", step)
	}
	return nil
}
