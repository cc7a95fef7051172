package task

import (
	"fmt"
	"time"
)

// Policy holds the defaults of one kind of task. Replicas publish the policies of their
// handlers when they join, so that they also apply to tasks from other programs. A zero
// field means the package default.
type Policy struct {
	Timeout     time.Duration // of one attempt; Forever means none; default DefaultTimeout (30m)
	SoftTimeout time.Duration // after which an event with CodeSlow is sent; shorter than Timeout; 0 means never
	MaxAttempts int           // failures after which the task has failed: 5 allow four retries; at most MaxMaxAttempts; default DefaultMaxAttempts (5)
	MaxLost     int           // lost leases after which the task is retried: it fails with the next; at most MaxMaxAttempts; default DefaultMaxLost (3)
	Backoff     Backoff       // default DefaultBackoff (exponential, from 1s to 10m)
}

// The defaults of a task's policy. A store applies them to tasks that set no values, so
// that stored tasks stay small.
const (
	DefaultTimeout     = 30 * time.Minute
	DefaultMaxAttempts = 5
	DefaultMaxLost     = 3
	RetainResult       = time.Hour
	RetainFailed       = 7 * 24 * time.Hour
	// RetainNewest is how many ended tasks of each terminal state except succeeded are
	// kept. Tasks kept forever do not count. Those with the earliest time of removal
	// are removed first.
	RetainNewest = 10_000
)

// Check returns everything that is wrong with the policy, as FieldErrors whose fields
// begin with at.
func (p Policy) Check(at string) []error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: at + "." + field, Msg: fmt.Sprintf(format, args...)})
	}
	switch {
	case p.Timeout == 0, p.Timeout == Forever:
	case p.Timeout < time.Millisecond || p.Timeout > MaxDuration:
		add("timeout", "must be from 1ms to %v, not %v", MaxDuration, p.Timeout)
	}
	switch {
	case p.SoftTimeout == 0:
	case p.SoftTimeout < time.Millisecond || p.SoftTimeout > MaxDuration:
		add("soft_timeout", "must be from 1ms to %v, not %v", MaxDuration, p.SoftTimeout)
	case p.Timeout == 0 && p.SoftTimeout >= DefaultTimeout:
		add("soft_timeout", "must be shorter than the timeout (%v by default), not %v", DefaultTimeout, p.SoftTimeout)
	case p.Timeout > 0 && p.SoftTimeout >= p.Timeout:
		add("soft_timeout", "must be shorter than the timeout (%v), not %v", p.Timeout, p.SoftTimeout)
	}
	if p.MaxAttempts < 0 || p.MaxAttempts > MaxMaxAttempts {
		add("max_attempts", "must be from 1 to %d, not %d", MaxMaxAttempts, p.MaxAttempts)
	}
	if p.MaxLost < 0 || p.MaxLost > MaxMaxAttempts {
		add("max_lost", "must be from 1 to %d, not %d", MaxMaxAttempts, p.MaxLost)
	}
	if err := p.Backoff.check(); err != nil {
		add("backoff", "%v", err)
	}
	return errs
}
