package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// Option sets a field of the task.Spec to enqueue. Units, limits and defaults are those
// of the fields; the enqueue refuses invalid values. If two options set the same field,
// the last one counts; those of Headers and Labels are merged.
type Option func(*Spec)

// ID names the task: a second enqueue with the same id makes no second task. Default: a
// new id of 22 characters that sorts by time.
func ID(id string) Option { return func(s *Spec) { s.ID = id } }

// InQueue puts the task into the queue instead of DefaultQueue.
func InQueue(queue string) Option { return func(s *Spec) { s.Queue = queue } }

// Priority orders the queue: tasks with a higher priority start first, equal ones in
// the order in which they were added. Default: 0.
func Priority(p int8) Option { return func(s *Spec) { s.Priority = p } }

// Group gives the task a key (tenant, licence, device) whose running tasks can be
// limited. "" means no group. The key must be a valid name: letters and digits of any
// script and . _ : / @ + = -, see task.CheckName. Escape or hash other keys.
func Group(key string) Option { return func(s *Spec) { s.Group = key } }

// Labels adds labels, such as gpu or zone=eu, to the task: only a replica that has all of
// them takes it. "" adds none. See task.CheckLabel.
func Labels(labels ...string) Option {
	labels = slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == "" })
	return func(s *Spec) { s.Labels = append(slices.Clip(s.Labels), labels...) }
}

// Unique gives the task a key that only one live task of the pool may have. If the key
// is taken, no task is made, and the receipt names the task that has it. The key is any
// UTF-8 text of up to 4 KiB. It is shared by all kinds and queues: begin it with the
// kind, as in "email.send:ann".
func Unique(key string) Option { return func(s *Spec) { s.Unique = key } }

// UniqueByArgs is Unique with a key made of the kind and the payload: only one live
// task may have the same arguments.
//
//	r, err := p.Enqueue(ctx, Resize{URL: u, Width: 80}, pool.UniqueByArgs())
//	if err == nil && r.Duplicate {
//		log.Printf("task %s already resizes %s", r.ID, u)
//	}
//
// Options such as the queue are not part of the key. The key is the kind, a colon and
// the first 32 hexadecimal digits of the SHA-256 of the payload, so that another
// program can compute it. Arguments that encode to different JSON are different.
func UniqueByArgs() Option {
	return func(s *Spec) {
		sum := sha256.Sum256(s.Payload)
		s.Unique = s.Kind + ":" + hex.EncodeToString(sum[:16])
	}
}

// Reply also pushes the outcome to the task's reply list, which a client in any
// language reads with one command: see docs/protocol.md. The task requires an ID. Go
// programs use Wait, which needs no reply.
func Reply() Option { return func(s *Spec) { s.Reply = true } }

// Headers adds entries that are passed to the handler and to the task's terminal event, except
// traceparent and tracestate, which only the handler gets.
// If two entries have the same key, the last one counts.
func Headers(h map[string]string) Option {
	h = maps.Clone(h)
	return func(s *Spec) {
		all := make(map[string]string, len(s.Headers)+len(h))
		maps.Copy(all, s.Headers)
		maps.Copy(all, h)
		s.Headers = all
	}
}

// Delay delays the start of the task by d from the enqueue, by the clock of Redis. It
// cannot be combined with RunAt.
func Delay(d time.Duration) Option { return func(s *Spec) { s.Delay = d } }

// RunAt delays the start of the task until t, by the clock of Redis. A time in the past
// means at once. It cannot be combined with Delay.
func RunAt(t time.Time) Option { return func(s *Spec) { s.RunAt = t } }

// Hold makes the task scheduled without a time: it is on hold until RunNow starts it. It
// cannot be combined with Delay or RunAt.
func Hold() Option { return func(s *Spec) { s.Hold = true } }

// FailOnLimit refuses the task with ErrLimitReached if the limits of pool, queue and
// group leave no place for it to run now. See task.Spec.
func FailOnLimit() Option { return func(s *Spec) { s.FailOnLimit = true } }

// Shards makes the task a parent whose work n children do, each a part: see task.Spec. Their
// handlers find the part in Task.Shard.
func Shards(n int) Option { return func(s *Spec) { s.Shards = n } }

// Broadcast makes the task a parent with one child for each replica that would take it: see
// task.Spec.
func Broadcast() Option { return func(s *Spec) { s.Broadcast = true } }

// ShardParams makes the task a parent with one child for each parameter: see task.Spec.
func ShardParams(params ...string) Option {
	return func(s *Spec) { s.ShardParams = params }
}

// FailFast ends a parent with the first child that does not succeed, and stops the others.
func FailFast() Option { return func(s *Spec) { s.FailFast = true } }

// Then makes another task when this one succeeds, in the same step: see task.Spec. NewSpec
// makes its spec. Without a payload it gets the result of this task as its payload.
//
//	p.Enqueue(ctx, Count{File: "a.csv"}, pool.Then(pool.Spec{Kind: "report"}))
func Then(next Spec) Option { return func(s *Spec) { s.Then = &next } }

// Timeout bounds each attempt. Forever means none. Default: the kind's policy.
func Timeout(d time.Duration) Option { return func(s *Spec) { s.Timeout = d } }

// TTL expires the task if its first attempt has not started within d of the enqueue.
func TTL(d time.Duration) Option { return func(s *Spec) { s.TTL = d } }

// Deadline bounds the task over all its attempts, from the enqueue.
func Deadline(d time.Duration) Option { return func(s *Spec) { s.Deadline = d } }

// MaxAttempts is the number of failures after which the task has failed: 5 allow four
// retries. Default: the kind's policy.
func MaxAttempts(n int) Option { return func(s *Spec) { s.MaxAttempts = n } }

// RetryBackoff sets the wait between attempts. Default: the kind's policy.
func RetryBackoff(b Backoff) Option { return func(s *Spec) { s.Backoff = b } }

// Retain keeps the task for d after its end, in whatever state it ended. Zero removes
// it at once, Forever keeps it until it is deleted.
func Retain(d time.Duration) Option { return func(s *Spec) { s.Retain = &d } }
