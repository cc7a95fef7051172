package task

import (
	"errors"
	"fmt"
	"time"
)

// Permanent marks an error that a retry cannot fix: the task fails at once. It returns
// nil if err is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &disposition{err, Disposition{Permanent: true}}
}

// RetryAfter fails the attempt with err. If attempts are left, the task is retried
// after d instead of the policy's backoff. A d that is not positive retries at once. If
// d is more than MaxDuration, Forever included, RetryAfter returns a Permanent error
// that reports it. It returns nil if err is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	if d > MaxDuration {
		return Permanent(fmt.Errorf("%w (RetryAfter %v: the limit is %v)", err, d, MaxDuration))
	}
	return &disposition{err, Disposition{Delay: max(d, 0), DelaySet: true}}
}

// ReleaseDelay is the delay of a task that its handler releases without one. Without a
// pause such a task would start again at once, and for ever.
const ReleaseDelay = time.Second

// Snooze returns the task to its queue without using an attempt. The task may start
// again after d. A d of less than 1 ms means ReleaseDelay. If d is more than MaxDuration,
// Forever included, Snooze returns a Permanent error that reports it.
func Snooze(d time.Duration) error {
	if d > MaxDuration {
		return Permanent(fmt.Errorf("a snooze of %v: the limit is %v", d, MaxDuration))
	}
	if d < time.Millisecond {
		d = ReleaseDelay
	}
	return &disposition{errSnoozed, Disposition{Delay: d, Snooze: true}}
}

// Elsewhere releases the task as Snooze does, with ReleaseDelay, because its job is at another
// remote than this process uses. Clean-ups of a job that replicas release in this way for a day
// end with the job as the orphan of the task. Those that Snooze releases do not count.
func Elsewhere() error {
	return &disposition{errElsewhere, Disposition{Delay: ReleaseDelay, Snooze: true, Elsewhere: true}}
}

// Detach ends the handler and not the attempt: the task stays running, without a slot and
// a lease, until a report from outside ends the attempt. The handler must have got a
// token from Task.ReportToken and must have given it to whatever will report. If no
// report arrives within d, the attempt fails with CodeTimeout. A stop ends the task at
// once, and the deadline of the task holds. If d is less than 1 ms or more than
// MaxDuration, Forever included, Detach returns a Permanent error that reports it.
func Detach(d time.Duration) error {
	if d < time.Millisecond || d > MaxDuration {
		return Permanent(fmt.Errorf("a detach for %v: the time must be from 1ms to %v", d, MaxDuration))
	}
	return &disposition{errDetached, Disposition{Delay: d, Detach: true}}
}

// BadPayload marks a payload that does not decode. The task fails at once with
// CodeBadPayload. It is kept like other failed tasks, and an operator can retry it. It
// returns nil if err is nil.
func BadPayload(err error) error {
	if err == nil {
		return nil
	}
	return &disposition{err, Disposition{BadPayload: true}}
}

var (
	errSnoozed   = errors.New("snoozed")
	errElsewhere = errors.New("the job is at another remote")
	errDetached  = errors.New("detached")
)

// disposition is an error with its Disposition.
type disposition struct {
	error
	Disposition
}

func (d *disposition) Unwrap() error { return d.error }

// Disposition is what a handler's error decides about the task. The zero value decides
// nothing: the policy applies.
type Disposition struct {
	Permanent  bool          // set by Permanent
	BadPayload bool          // set by BadPayload
	Snooze     bool          // set by Snooze and Elsewhere
	Elsewhere  bool          // set by Elsewhere
	Detach     bool          // set by Detach
	Delay      time.Duration // until the next attempt; set by Snooze, Elsewhere and RetryAfter; the time outside, set by Detach
	DelaySet   bool          // set by RetryAfter
}

// DispositionOf returns the Disposition of err or of an error that it wraps.
func DispositionOf(err error) Disposition {
	var d *disposition
	if errors.As(err, &d) {
		return d.Disposition
	}
	return Disposition{}
}
