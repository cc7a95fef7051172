package worker

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

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

// clip shortens s for a message.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
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
			add("headers", "has an entry over %d bytes: %q", MaxHeaderLen, clip(k))
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			add("headers", "must be in UTF-8: the entry %q is not", clip(k))
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

// MaxRunAt is the latest time at which a task may be scheduled to start, in ms since 1970:
// 2200-01-01T00:00:00Z. Every time that follows from it stays a whole number in Lua.
const MaxRunAt = 7_258_118_400_000
