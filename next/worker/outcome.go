package worker

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
	return &outcome{err: err, permanent: true}
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
	return &outcome{err: err, delay: max(d, 0), delaySet: true}
}

// Snooze gives the task back without using an attempt; it may start again
// after d, at once where d is not positive. A d of more than MaxDuration, Forever
// included, is a mistake: then the error is a Permanent one that says so.
func Snooze(d time.Duration) error {
	if d > MaxDuration {
		return Permanent(fmt.Errorf("a snooze of %v: the limit is %v", d, MaxDuration))
	}
	return &outcome{err: errSnoozed, delay: max(d, 0), snooze: true}
}

// BadPayload marks a payload that does not decode: the task fails at once with
// its own code, stays visible and can be retried by a person.
func BadPayload(err error) error {
	if err == nil {
		return nil
	}
	return &outcome{err: err, badPayload: true}
}

var errSnoozed = errors.New("snoozed")

// outcome is an error that says what is to become of its attempt.
type outcome struct {
	err        error
	permanent  bool
	badPayload bool
	snooze     bool
	delaySet   bool
	delay      time.Duration
}

func (o *outcome) Error() string { return o.err.Error() }
func (o *outcome) Unwrap() error { return o.err }
