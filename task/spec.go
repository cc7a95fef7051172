package task

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultQueue is the queue of a task that sets none.
const DefaultQueue = "default"

// Forever is the duration that means "no limit" where zero means the default. With
// Timeout: Forever an attempt has no timeout. With Retain: Forever a task is kept until
// it is deleted.
const Forever = time.Duration(math.MaxInt64)

// The size limits of a task.
const (
	MaxPayload     = 1 << 20 // bytes
	MaxResult      = 1 << 20 // bytes
	MaxHeaders     = 32      // entries
	MaxHeaderLen   = 1024    // bytes of a header's key, and of its value
	MaxErrorLen    = 2048    // bytes of an error's text; longer ones are cut
	MaxMaxAttempts = 1_000_000
)

// MaxDuration is the longest duration that a task, a policy, a config or the error of a
// handler may have: ten years of 365 days. Forever is a value of its own.
const MaxDuration = 10 * 365 * 24 * time.Hour

// MaxRunAt is the latest time at which a task may be scheduled, in milliseconds since
// 1970: 2200-01-01T00:00:00Z. Every time derived from it is an exact integer in Lua.
const MaxRunAt = 7_258_118_400_000

// Spec describes a task to enqueue. Kind is required. The zero value of every other
// field means its documented default. Durations are from 1 ms to MaxDuration.
type Spec struct {
	// ID names the task: a second enqueue with the same ID makes no second task.
	// Default: a new id of 22 characters that sorts by time. Characters: see CheckName.
	ID string
	// Kind selects the handler. Required. Characters: see CheckName.
	Kind string
	// Queue is the queue in which the task waits. Default: DefaultQueue. Characters:
	// see CheckName.
	Queue string
	// Payload is passed to the handler byte for byte. Any UTF-8 text of at most
	// MaxPayload bytes, so that programs in any language can read it: encode other bytes
	// in base64, for instance. Default: empty.
	Payload []byte
	// Priority orders the queue: tasks with a higher priority start first, equal ones
	// in the order in which they were added. Default: 0.
	Priority int8
	// Group is a key (tenant, licence, device) whose running tasks can be limited.
	// Default: none. Characters: see CheckName.
	Group string
	// Labels are names such as gpu or zone=eu: only a replica that has all of them takes the
	// task. The order does not matter. A task that was read has them in the order of
	// CanonicalLabels. At most MaxLabels. Characters: see CheckLabel. Default: none, any
	// replica of the queue that is not exclusive takes the task.
	Labels []string
	// Unique is a key that only one live task of the pool may have. It is free again
	// when the task ends. Any UTF-8 text of at most MaxUnique bytes. A task that was
	// read has the stored form of the key: see UniqueKey. Default: none.
	Unique string
	// Headers are passed to the handler. The task's terminal event has them in Meta
	// (JSON: meta), except traceparent and tracestate. Default: none. At most MaxHeaders, each key and value in UTF-8 and
	// at most MaxHeaderLen bytes.
	Headers map[string]string
	// Delay is the time from the enqueue until the task becomes waiting, by the store's
	// clock. Default: 0, at once. It cannot be combined with RunAt.
	Delay time.Duration
	// RunAt is the time at which the task becomes waiting, by the store's clock; never
	// earlier. A time in the past means at once. Precision: 1 ms. Between the years
	// 1970 and 2200.
	RunAt time.Time
	// Hold makes the task scheduled without a time: it is on hold until an operator starts
	// it with Pool.RunNow. TTL and deadline count from the enqueue, so a task on hold can
	// expire. Hold cannot be combined with Delay or RunAt. Of a task that was read, Hold
	// is true until it is started. Default: false.
	Hold bool
	// FailOnLimit refuses the task with ErrLimitReached if the limits of pool, queue and
	// group leave no place for it to run now. The running tasks and the waiting tasks
	// that are ahead in its queue take places. Waiting tasks of other queues do not. In a
	// paused queue there is no place. It says nothing about free slots: without a replica
	// the task waits. It cannot be combined with Delay, RunAt or Hold. A task that was
	// read does not have it. Default: false, the task waits.
	FailOnLimit bool
	// Timeout bounds one attempt, from its start. Forever means none. Default: the
	// kind's policy, else DefaultTimeout.
	Timeout time.Duration
	// TTL is the time from the enqueue within which the first attempt must start.
	// Afterwards the task is expired. It must be longer than Delay. Default: none.
	TTL time.Duration
	// Deadline is the time from the enqueue that the task may take over all its
	// attempts. A task that has not started by then is expired. A task that has started
	// fails with CodeDeadline and is not retried. It fails at once if a retry or Snooze
	// would start after the deadline. It must be longer than Delay. Default: none.
	Deadline time.Duration
	// MaxAttempts is the number of failures after which the task has failed: 5 allow
	// four retries. At most MaxMaxAttempts. Default: the kind's policy, else
	// DefaultMaxAttempts.
	MaxAttempts int
	// Backoff is the wait between attempts. Default: the kind's policy, else
	// DefaultBackoff.
	Backoff Backoff
	// Shards makes the task a parent: this many children do its work, each a part, and it
	// ends when they have ended. It runs without a handler, takes no slot and counts for no
	// limit. Its children have the ids ID/0, ID/1 and so on, and its kind, payload, queue,
	// priority, group, headers and limits of time and attempts. The deadline bounds all of
	// them. At most MaxShards. Default: no parent.
	Shards int
	// ShardParams makes the task a parent with one child for each of these parameters, which
	// its handler finds in Task.Shard. Each is UTF-8 of at most MaxShardParam bytes, all
	// together have at most MaxShardParams. Default: none.
	ShardParams []string
	// Broadcast makes the task a parent with one child for each replica that would take it when
	// it begins to run: those that serve its queue, have its Labels and a handler for its Kind,
	// and do not drain. The handler finds the id of its replica in Shard.Param. A child whose
	// replica goes before it has ended fails with CodeLost. Without such a replica the task fails
	// with CodeNoHandler. There are at most MaxMembers. It cannot be combined with Shards or
	// ShardParams. Of a task that was read, these are the number of children and the ids of
	// their replicas. Default: false.
	Broadcast bool
	// FailFast ends the parent as failed with the first child that does not succeed, and stops
	// the others. Default: it ends when all children have, as failed if one of them has not
	// succeeded.
	FailFast bool
	// Then is a task that is made in the same step that ends this one as succeeded. Without a
	// payload it gets the result of this task as its payload. Its headers are added to those
	// of this task. Its queue takes it even if it is full. If it cannot be made, Task.ThenError
	// and the last event of this task say why. Its id is its ID, by default that of this task
	// and "/then"; after a retry of this task a number follows. It cannot have Then or Shards.
	// Default: none.
	Then *Spec
	// Reply also pushes the outcome to the task's reply list, for clients in other
	// languages: see docs/protocol.md. It requires an ID. Default: no reply.
	Reply bool
	// Retain is how long the task is kept after its end. Zero removes it at once,
	// Forever keeps it until it is deleted. Default (nil): a succeeded task is removed
	// at once, or after RetainResult if it has a result or a log; other ended tasks are
	// kept for RetainFailed.
	Retain *time.Duration
}

// Check returns everything that is wrong with the spec, as joined FieldErrors.
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
	if strings.HasPrefix(s.Queue, ExportQueue) {
		add("queue", "must not begin with %q, as the queues of exports do", ExportQueue)
	}
	name("group", s.Group, false)
	if err := checkLabels(s.Labels, MaxLabels); err != nil {
		add("labels", "%v", err)
	}
	if err := checkUnique(s.Unique); err != nil {
		add("unique", "%v", err)
	}
	if s.Reply && s.ID == "" {
		add("reply", "needs an id: the reply list is named after it")
	}
	errs = append(errs, checkPayload(s.Payload)...)
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
	s.checkParentID(add)
	s.checkShards(add)
	s.checkThen(add)
	if s.Delay != 0 && !s.RunAt.IsZero() {
		add("delay", "and run_at cannot both be set")
	}
	if s.Hold && s.Delay != 0 {
		add("delay", "and hold cannot both be set")
	}
	if s.Hold && !s.RunAt.IsZero() {
		add("run_at", "and hold cannot both be set")
	}
	if s.FailOnLimit {
		for _, later := range []struct {
			field string
			set   bool
		}{{"delay", s.Delay != 0}, {"run_at", !s.RunAt.IsZero()}, {"hold", s.Hold}} {
			if later.set {
				add(later.field, "and on_limit cannot both be set: the task would not start now")
			}
		}
	}
	if s.Delay < 0 {
		add("delay", "must not be negative")
	} else if s.Delay > MaxDuration {
		add("delay", "must be at most %v", MaxDuration)
	}
	if !s.RunAt.IsZero() && (s.RunAt.UnixMilli() < 0 || s.RunAt.UnixMilli() > MaxRunAt) {
		add("run_at", "must be between the years 1970 and 2200")
	}
	duration("timeout", s.Timeout, true)
	duration("ttl", s.TTL, false)
	duration("deadline", s.Deadline, false)
	after := func(field string, d time.Duration) {
		if d >= time.Millisecond && d <= min(s.Delay, MaxDuration) {
			add(field, "must be longer than the delay (%v), not %v: the task would end before it may start", s.Delay, d)
		}
	}
	after("ttl", s.TTL)
	after("deadline", s.Deadline)
	if s.MaxAttempts < 0 || s.MaxAttempts > MaxMaxAttempts {
		add("max_attempts", "must be from 1 to %d, not %d", MaxMaxAttempts, s.MaxAttempts)
	}
	if err := s.Backoff.check(); err != nil {
		add("backoff", "%v", err)
	}
	if r := s.Retain; r != nil && *r < 0 {
		add("retain", "must not be negative, but is %v; 0 removes the task at its end", *r)
	} else if r != nil {
		duration("retain", *r, true)
	}
	return errors.Join(errs...)
}

// Clip shortens s to at most 64 bytes and "…", for a message.
func Clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
