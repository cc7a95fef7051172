package worker

import (
	"math"
	"time"
)

// DefaultQueue is the queue of a task that names none.
const DefaultQueue = "default"

// Forever is the duration that says "no limit" where zero means "the default":
// Timeout: worker.Forever runs without an attempt timeout, Retain: worker.Forever
// keeps a task until somebody deletes it.
const Forever = time.Duration(math.MaxInt64)

// State is where a task is in its life.
type State string

// The states of a task. Scheduled, waiting and running tasks are live; the
// others are terminal and are left only by a person's retry or by deletion.
const (
	Scheduled State = "scheduled" // waits for its time: a delay, a run-at time or a retry's backoff
	Waiting   State = "waiting"   // in its queue's line, claimable
	Running   State = "running"   // held by a replica under a lease
	Succeeded State = "succeeded" // its handler returned without an error
	Failed    State = "failed"    // attempts used up, or an error that no retry can mend
	Stopped   State = "stopped"   // somebody asked for its end
	Expired   State = "expired"   // its TTL or deadline passed before it first started
)

// States lists every state, live ones first.
func States() []State {
	return []State{Scheduled, Waiting, Running, Succeeded, Failed, Stopped, Expired}
}

// Terminal reports whether the state is one that only retry and delete leave.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Stopped, Expired:
		return true
	}
	return false
}

// Code says why an attempt, or a task that never started, ended.
type Code string

// The reason codes.
const (
	CodeOK               Code = "ok"
	CodeError            Code = "error"             // the handler returned an error
	CodePermanent        Code = "permanent"         // the handler returned Permanent(err)
	CodePanic            Code = "panic"             // the handler panicked or called runtime.Goexit
	CodeTimeout          Code = "timeout"           // the attempt timeout passed
	CodeTimeoutAbandoned Code = "timeout_abandoned" // … and the handler ignored its context past the grace
	CodeStopped          Code = "stopped"           // somebody stopped it
	CodeStopAbandoned    Code = "stop_abandoned"    // … and the handler ignored its context past the grace
	CodeLost             Code = "lost"              // the lease ended without a report
	CodeExpired          Code = "expired"           // the TTL or deadline passed before the first start
	CodeDeadline         Code = "deadline"          // the deadline over all attempts passed, or would before the next one starts
	CodeNoHandler        Code = "no_handler"        // no live replica knows the kind
	CodeBadPayload       Code = "bad_payload"       // the payload does not decode into the handler's type
	CodeReleased         Code = "released"          // given back without using an attempt
	CodeSlow             Code = "slow"              // not an end: the soft timeout passed
)

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

// The defaults of a task's policy. A store applies the same figures to tasks that
// carry none of their own, so that a stored task stays small.
const (
	DefaultTimeout     = 30 * time.Minute
	DefaultMaxAttempts = 5
	DefaultMaxLost     = 3
	RetainResult       = time.Hour
	RetainFailed       = 7 * 24 * time.Hour
	// RetainNewest is how many tasks of each terminal state but succeeded are
	// kept at most, those kept for ever not counted; the ones due for removal
	// soonest go first.
	RetainNewest = 10_000
)

// Task is a task as the store holds it. A handler gets one per attempt and must
// treat it as read-only.
type Task struct {
	Spec

	State State // where it is in its life
	// Attempt counts the claims of the task: 1 is the first.
	Attempt int64
	// Fence is the number of the claim among all claims of the pool: it grows
	// with every claim and is never reused, not even by another task under the
	// same id. Tasks that were claimed together have the same. Writes that carry an
	// older one are refused. It also serves as a fencing token towards other systems.
	// Zero before the first claim.
	Fence int64
	// Failures counts the failed attempts of this generation, Lost the attempts
	// whose lease ended without a report.
	Failures, Lost int
	// Generation grows by one each time a person retries the ended task.
	Generation int
	// Version grows by one with every change of state; events carry it as v.
	Version int64

	CreatedAt  time.Time // when it was enqueued
	DueAt      time.Time // when it last became, or becomes, due; zero if it never had to wait for its time
	StartedAt  time.Time // when its latest attempt was claimed; zero before the first
	EndedAt    time.Time // when it became terminal; zero before
	ExpiresAt  time.Time // latest first start; zero for none
	DeadlineAt time.Time // latest end over all attempts; zero for none

	Replica  string // who holds it, or held it last
	Progress []byte // what the handler said last through SetProgress
	Result   []byte // what the handler returned
	// ResultLost is how many bytes long a result was that is gone: that of a task
	// which left the store with its end, whose last event holds no more than
	// MaxEventResult bytes.
	ResultLost int
	Code       Code   // why the latest attempt ended
	Error      string // the text of the latest failure, or the reason given with the stop that ended the task
	StopWhy    string // the reason given with a stop request; "" where none was made

	// TimeLeft is how long the attempt may take from its start, Forever if nothing
	// bounds it. It is set on a task that a replica runs only.
	TimeLeft time.Duration

	// Broken says what of the task's record could not be read, because something
	// else than this program wrote it; nil for nothing. Such a task is not run:
	// it fails with CodeBadPayload.
	Broken error

	attempt *attempt
}

// MaxAttemptsOr returns the attempts this task may use up, with the default
// that applies where neither the task nor policy names one.
func (t *Task) MaxAttemptsOr(policy Policy) int {
	if t.MaxAttempts > 0 {
		return t.MaxAttempts
	}
	if policy.MaxAttempts > 0 {
		return policy.MaxAttempts
	}
	return DefaultMaxAttempts
}

// Policy holds the defaults of one kind of task. Replicas publish the policies
// of their handlers when they join, so that tasks from any language follow them.
// Zero fields mean the package defaults.
type Policy struct {
	Timeout     time.Duration // one attempt; Forever means none; default DefaultTimeout
	SoftTimeout time.Duration // when an event with code slow is sent; shorter than Timeout; 0 is never
	MaxAttempts int           // the failure with which the task has failed for good: 5 are four retries; at most MaxMaxAttempts; default DefaultMaxAttempts
	MaxLost     int           // how many leases may end unreported: the task has failed with the next; at most MaxMaxAttempts; default DefaultMaxLost
	Backoff     Backoff       // default DefaultBackoff
}
