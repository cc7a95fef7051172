package task

import (
	"errors"
	"fmt"
	"time"
)

// Permanent marks an error that no retry can mend: the task fails at once.
// It returns nil for a nil error.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &disposition{err, Disposition{Permanent: true}}
}

// RetryAfter fails the attempt with err and retries, if attempts are left,
// after d instead of the policy's backoff; at once where d is not positive. A d of
// more than MaxDuration, Forever included, is a mistake: then the error is a Permanent
// one that says so. It returns nil for a nil error.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	if d > MaxDuration {
		return Permanent(fmt.Errorf("%w (to be tried again after %v: the limit is %v)", err, d, MaxDuration))
	}
	return &disposition{err, Disposition{Delay: max(d, 0), DelaySet: true}}
}

// Snooze gives the task back without using an attempt; it may start again
// after d, at once where d is not positive. A d of more than MaxDuration, Forever
// included, is a mistake: then the error is a Permanent one that says so.
func Snooze(d time.Duration) error {
	if d > MaxDuration {
		return Permanent(fmt.Errorf("a snooze of %v: the limit is %v", d, MaxDuration))
	}
	return &disposition{errSnoozed, Disposition{Delay: max(d, 0), Snooze: true}}
}

// BadPayload marks a payload that does not decode: the task fails at once with
// its own code, stays visible and can be retried by a person.
func BadPayload(err error) error {
	if err == nil {
		return nil
	}
	return &disposition{err, Disposition{BadPayload: true}}
}

var errSnoozed = errors.New("snoozed")

// disposition is an error that says what is to become of its attempt.
type disposition struct {
	error
	Disposition
}

func (d *disposition) Unwrap() error { return d.error }

// Disposition is what the error of a handler says is to become of the attempt. The zero
// value says nothing: the policy decides.
type Disposition struct {
	Permanent  bool          // the error is that of Permanent
	BadPayload bool          // … of BadPayload
	Snooze     bool          // … of Snooze
	Delay      time.Duration // until the next attempt, after Snooze or RetryAfter
	DelaySet   bool          // the error is that of RetryAfter
}

// DispositionOf reads what err, or an error that it wraps, says.
func DispositionOf(err error) Disposition {
	var d *disposition
	if errors.As(err, &d) {
		return d.Disposition
	}
	return Disposition{}
}
