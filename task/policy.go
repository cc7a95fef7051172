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
	// ProgressTimeout is how long an attempt may report no progress, from its start on: no
	// call of SetProgress or Checkpoint, no progress line of a command. Then it times out,
	// with CodeTimeout. It is shorter than Timeout. The replica that runs the attempt
	// measures it. 0 means any time.
	ProgressTimeout time.Duration
	MaxAttempts     int     // failures after which the task has failed: 5 allow four retries; at most MaxMaxAttempts; default DefaultMaxAttempts (5)
	MaxLost         int     // lost leases after which the task is retried: it fails with the next; at most MaxMaxAttempts; default DefaultMaxLost (3)
	InPlace         int     // failed attempts of a claim that are retried at once in the same slot; at most MaxMaxAttempts; default 0
	Backoff         Backoff // default DefaultBackoff (exponential, from 1s to 10m)
	// AvoidFailed is set if the retry of a failed attempt prefers a replica other than the
	// one on which it failed. If no other one takes the task within about a second, the same
	// one runs it.
	AvoidFailed bool

	// LargeResult is what happens to a result that is longer than its limit: MaxResult, or
	// the limit of a command. Default: FailLargeResult; TruncateLargeResult for a command.
	LargeResult LargeResult
}

// LargeResult is what happens to a result that is longer than its limit.
type LargeResult string

// The values of LargeResult.
const (
	FailLargeResult     LargeResult = "fail"     // the task fails with CodePermanent
	TruncateLargeResult LargeResult = "truncate" // the result is cut: see CutResult
	ExportLargeResult   LargeResult = "export"   // the exporter of the kind saves a result of up to MaxStagedResult bytes
)

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
	shorter := func(field string, d time.Duration) {
		switch {
		case d == 0:
		case d < time.Millisecond || d > MaxDuration:
			add(field, "must be from 1ms to %v, not %v", MaxDuration, d)
		case p.Timeout == 0 && d >= DefaultTimeout:
			add(field, "must be shorter than the timeout (%v by default), not %v", DefaultTimeout, d)
		case p.Timeout > 0 && d >= p.Timeout:
			add(field, "must be shorter than the timeout (%v), not %v", p.Timeout, d)
		}
	}
	shorter("soft_timeout", p.SoftTimeout)
	shorter("progress_timeout", p.ProgressTimeout)
	if p.MaxAttempts < 0 || p.MaxAttempts > MaxMaxAttempts {
		add("max_attempts", "must be from 1 to %d, not %d", MaxMaxAttempts, p.MaxAttempts)
	}
	if p.MaxLost < 0 || p.MaxLost > MaxMaxAttempts {
		add("max_lost", "must be from 1 to %d, not %d", MaxMaxAttempts, p.MaxLost)
	}
	if p.InPlace < 0 || p.InPlace > MaxMaxAttempts {
		add("in_place", "must be from 1 to %d, not %d", MaxMaxAttempts, p.InPlace)
	}
	if err := p.Backoff.check(); err != nil {
		add("backoff", "%v", err)
	}
	switch p.LargeResult {
	case "", FailLargeResult, TruncateLargeResult, ExportLargeResult:
	default:
		add("large_result", "must be %q, %q or %q, not %q", FailLargeResult, TruncateLargeResult, ExportLargeResult, Clip(string(p.LargeResult)))
	}
	return errs
}
