package task

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultQueue is the queue of a task that names none.
const DefaultQueue = "default"

// Forever is the duration that says "no limit" where zero means "the default":
// Timeout: Forever runs without an attempt timeout, Retain: Forever
// keeps a task until somebody deletes it.
const Forever = time.Duration(math.MaxInt64)

// The limits of what a task may carry.
const (
	MaxPayload     = 1 << 20 // bytes
	MaxResult      = 1 << 20 // bytes
	MaxHeaders     = 32      // entries
	MaxHeaderLen   = 1024    // bytes of a header's key, and of its value
	MaxErrorLen    = 2048    // bytes of an error's text; longer ones are cut
	MaxLogLen      = 8192    // bytes of an attempt's log tail; the end is kept
	MaxMaxAttempts = 1_000_000
)

// MaxDuration is the longest time that a task, a policy, a config or the error of a
// handler may name: ten years of 365 days. Forever is not such a time.
const MaxDuration = 10 * 365 * 24 * time.Hour

// MaxRunAt is the latest time at which a task may be scheduled to start, in ms since 1970:
// 2200-01-01T00:00:00Z. Every time that follows from it stays a whole number in Lua.
const MaxRunAt = 7_258_118_400_000

// Spec is what somebody who enqueues asks for. Kind is required; the zero value
// of every other field means its documented default. Durations are from 1 ms to
// MaxDuration.
type Spec struct {
	// ID names the task, so that enqueueing it twice makes one task. Default: a new
	// id of 22 characters that sorts by time. Characters: see CheckName.
	ID string
	// Kind selects the handler. Required. Characters: see CheckName.
	Kind string
	// Queue is the waiting line. Default: DefaultQueue. Characters: see CheckName.
	Queue string
	// Payload reaches the handler byte for byte. Default: empty. At most
	// MaxPayload.
	Payload []byte
	// Priority orders the queue: higher starts first, equal ones first in, first
	// out. Default: 0.
	Priority int8
	// Group is a key (tenant, licence, device) whose running count is limited
	// too. Default: none. Characters: see CheckName.
	Group string
	// Unique refuses a second live task with the same key in the pool. The key is
	// free again when the task ends. Any text of at most MaxUnique bytes of UTF-8. A
	// task that was read has the key in the form in which it is stored: see UniqueKey.
	// Default: none.
	Unique string
	// Headers travel with the task to the handler and, as the field meta, with
	// its last event, that of its end. Default: none. At most MaxHeaders, each name
	// and value in UTF-8 and of at most MaxHeaderLen.
	Headers map[string]string
	// Delay is how long after the enqueue, by the clock of the store, the task
	// becomes waiting. Default: at once. Not together with RunAt.
	Delay time.Duration
	// RunAt is when the task becomes waiting, compared with the clock of the store;
	// a time in the past means at once. Millisecond precision, never early. Between
	// the years 1970 and 2200.
	RunAt time.Time
	// Timeout bounds one attempt, from its start. Default: the kind's policy,
	// else DefaultTimeout. Forever means none.
	Timeout time.Duration
	// TTL is how long after the enqueue the first attempt may still start; later
	// the task is expired. Default: none.
	TTL time.Duration
	// Deadline is how long after the enqueue the task may take over all its
	// attempts. A task that never started by then is expired, one that did has
	// failed with CodeDeadline and is not retried. A retry or a Snooze that would
	// begin later than that fails it at once. Default: none.
	Deadline time.Duration
	// MaxAttempts is the number of the failure with which the task has failed for
	// good: 5 are four retries. At most MaxMaxAttempts. Default: the kind's policy,
	// else DefaultMaxAttempts.
	MaxAttempts int
	// Backoff spaces the retries. Default: the kind's policy, else DefaultBackoff.
	Backoff Backoff
	// Reply also pushes the outcome to the task's reply list, for clients in other
	// languages: see docs/protocol.md. It needs an ID. Default: no reply.
	Reply bool
	// Retain is how long the task is kept after its end. Nil is the default:
	// succeeded tasks are removed at once, or after RetainResult when they have a
	// result; other ends are kept for RetainFailed. Zero removes at once, Forever
	// keeps until somebody deletes it.
	Retain *time.Duration
}

// Check reports everything that is wrong with the spec, as FieldErrors joined.
func (s *Spec) Check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	name := func(field, v string, required bool) {
		if v == "" && !required {
			return
		}
		if err := CheckName(v); err != nil {
			add(field, "%v", err)
		}
	}
	duration := func(field string, d time.Duration, forever bool) {
		switch {
		case d == 0, forever && d == Forever:
		case d < time.Millisecond:
			add(field, "must be at least 1ms, not %v", d)
		case d > MaxDuration:
			add(field, "must be at most %v", MaxDuration)
		}
	}

	name("id", s.ID, false)
	name("kind", s.Kind, true)
	name("queue", s.Queue, false)
	name("group", s.Group, false)
	if err := checkUnique(s.Unique); err != nil {
		add("unique", "%v", err)
	}
	if s.Reply && s.ID == "" {
		add("reply", "needs an id, which names the list of the reply")
	}
	if len(s.Payload) > MaxPayload {
		add("payload", "is %d bytes; the limit is %d: store it elsewhere and pass a reference", len(s.Payload), MaxPayload)
	}
	if len(s.Headers) > MaxHeaders {
		add("headers", "has %d entries; the limit is %d", len(s.Headers), MaxHeaders)
	}
	for k, v := range s.Headers {
		if len(k) > MaxHeaderLen || len(v) > MaxHeaderLen {
			add("headers", "has an entry over %d bytes: %q", MaxHeaderLen, Clip(k))
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			add("headers", "must be in UTF-8: the entry %q is not", Clip(k))
		}
	}
	if s.Delay != 0 && !s.RunAt.IsZero() {
		add("delay", "and run_at cannot both be set")
	}
	if s.Delay < 0 {
		add("delay", "must not be negative")
	} else if s.Delay > MaxDuration {
		add("delay", "must be at most %v", MaxDuration)
	}
	if !s.RunAt.IsZero() && (s.RunAt.UnixMilli() < 0 || s.RunAt.UnixMilli() > MaxRunAt) {
		add("run_at", "must lie between the years 1970 and 2200")
	}
	duration("timeout", s.Timeout, true)
	duration("ttl", s.TTL, false)
	duration("deadline", s.Deadline, false)
	if s.MaxAttempts < 0 || s.MaxAttempts > MaxMaxAttempts {
		add("max_attempts", "must be from 1 to %d, not %d", MaxMaxAttempts, s.MaxAttempts)
	}
	if err := s.Backoff.check(); err != nil {
		add("backoff", "%v", err)
	}
	if r := s.Retain; r != nil && *r < 0 {
		add("retain", "must not be negative, but is %v; 0 removes the task with its end", *r)
	} else if r != nil {
		duration("retain", *r, true)
	}
	return errors.Join(errs...)
}

// Clip shortens s for a message.
func Clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
