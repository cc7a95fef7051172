package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"time"
)

// Option says how one task is enqueued. Options set fields of its task.Spec,
// whose documentation states units, limits and defaults; the call that enqueues refuses
// a bad value. Of two that set the same field the last counts; those of Headers add up.
type Option func(*Spec)

// ID names the task: enqueueing it again makes no second one. Default: a new id of 22
// characters that sorts by time.
func ID(id string) Option { return func(s *Spec) { s.ID = id } }

// InQueue puts the task into a queue other than DefaultQueue.
func InQueue(queue string) Option { return func(s *Spec) { s.Queue = queue } }

// Priority orders the queue: higher starts first, equal ones first in, first
// out. Default 0.
func Priority(p int8) Option { return func(s *Spec) { s.Priority = p } }

// Group gives the task a key (tenant, licence, device) whose running count is
// limited too; "" is no group. It is a name as ID and InQueue are: letters and digits of
// any script and . _ : / @ + = -, see task.CheckName. Escape or hash other keys.
func Group(key string) Option { return func(s *Spec) { s.Group = key } }

// Unique refuses a second live task with the same key: the receipt then names the one
// that holds it. A key is any text of up to 4 KiB of UTF-8. It is taken in all of the
// pool, by a task of any kind in any queue: let it begin with the kind, as in
// "email.send:ann".
func Unique(key string) Option { return func(s *Spec) { s.Unique = key } }

// UniqueByArgs is Unique with a key made of the kind and the payload: it refuses a
// second live task with the same arguments.
//
//	r, err := p.Enqueue(ctx, Resize{URL: u, Width: 80}, pool.UniqueByArgs())
//	if err == nil && r.Duplicate {
//		log.Printf("task %s already resizes %s", r.ID, u)
//	}
//
// Options such as the queue are not part of the key. It is the kind, a colon and the
// first 32 hexadecimal digits of the SHA-256 of the payload, so that another program
// can compute it too. Arguments that encode to different JSON are different.
func UniqueByArgs() Option {
	return func(s *Spec) {
		sum := sha256.Sum256(s.Payload)
		s.Unique = s.Kind + ":" + hex.EncodeToString(sum[:16])
	}
}

// Reply also pushes the outcome to the task's reply list, from which a client in any
// language takes it with one command: see docs/protocol.md. The task needs an ID. In Go
// use Wait, which needs no reply.
func Reply() Option { return func(s *Spec) { s.Reply = true } }

// Headers adds entries that travel with the task to its handler and with its last
// event. Of two entries with the same name the last counts.
func Headers(h map[string]string) Option {
	h = maps.Clone(h)
	return func(s *Spec) {
		all := make(map[string]string, len(s.Headers)+len(h))
		maps.Copy(all, s.Headers)
		maps.Copy(all, h)
		s.Headers = all
	}
}

// Delay keeps the task from starting for d after the enqueue, by the clock of
// Redis. Not together with RunAt.
func Delay(d time.Duration) Option { return func(s *Spec) { s.Delay = d } }

// RunAt keeps the task from starting before t, by the clock of Redis; a time in
// the past means at once. Not together with Delay.
func RunAt(t time.Time) Option { return func(s *Spec) { s.RunAt = t } }

// Timeout bounds each attempt; Forever means none. Default: the kind's policy.
func Timeout(d time.Duration) Option { return func(s *Spec) { s.Timeout = d } }

// TTL expires the task when its first attempt has not started within d of the
// enqueue.
func TTL(d time.Duration) Option { return func(s *Spec) { s.TTL = d } }

// Deadline bounds the task over all its attempts, from the enqueue.
func Deadline(d time.Duration) Option { return func(s *Spec) { s.Deadline = d } }

// MaxAttempts is the number of the failure with which the task has failed for good:
// 5 are four retries. Default: the kind's policy.
func MaxAttempts(n int) Option { return func(s *Spec) { s.MaxAttempts = n } }

// RetryBackoff spaces the retries. Default: the kind's policy.
func RetryBackoff(b Backoff) Option { return func(s *Spec) { s.Backoff = b } }

// Retain keeps the task for d after its end, whatever that end is; zero removes
// it at once and Forever keeps it until it is deleted.
func Retain(d time.Duration) Option { return func(s *Spec) { s.Retain = &d } }
