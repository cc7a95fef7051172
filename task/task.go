package task

import "time"

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

	running Execution // nil on a task that no replica runs
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
