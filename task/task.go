package task

import "time"

// Task is a task as the store holds it. A handler gets a new one for every attempt and
// must not change it.
type Task struct {
	Spec

	State State
	// Attempt is the number of claims of the task and of its retries in place: 1 for the
	// first attempt.
	Attempt int64
	// Fence is the number of the task's latest claim; zero before the first claim. It
	// grows with every claim in the pool and is never reused, not even by another task
	// with the same id. Tasks that were claimed together have the same Fence. The store
	// refuses writes with an older one. It can serve as a fencing token for other
	// systems.
	Fence int64
	// Failures is the number of failed attempts of this generation. Lost is the number
	// of its attempts whose lease ended without a report.
	Failures, Lost int
	// Generation is the number of retries of the ended task by an operator.
	Generation int
	// Version grows by one with every change of state. Events contain it (JSON: v).
	Version int64

	CreatedAt time.Time // when it was enqueued
	DueAt     time.Time // when it last became, or becomes, waiting after a delay; zero if it was never scheduled or is on hold
	StartedAt time.Time // when its latest attempt was claimed; zero before the first
	EndedAt   time.Time // when it became terminal; zero before
	// OutsideUntil is until when a report from outside may end the running attempt, which
	// its replica has detached. It is zero if the attempt is not outside.
	OutsideUntil time.Time
	SlowAt       time.Time // when the store learned that the running attempt is past its soft timeout; zero if it is not
	ExpiresAt    time.Time // latest time of the first start; zero for none
	DeadlineAt   time.Time // latest end over all attempts; zero for none

	Replica  string // the replica that runs it or ran it last
	Progress []byte // last value that the handler set with SetProgress
	// LastCheckpoint is the last value that the task's attempts wrote with Checkpoint. A
	// handler gets the value from before its attempt. It is nil if there is none, or if an
	// attempt has failed since, and on ended tasks. CheckpointAt is when it was written.
	LastCheckpoint []byte
	CheckpointAt   time.Time
	// Job names the work at a remote that the task has open: see SaveJob. It is empty if
	// there is none.
	Job string
	// CleanUp is set if the end of an attempt was decided, with this code, and Job has not
	// ended yet. The attempt that a handler gets then is a clean-up: see SaveJob.
	CleanUp Code
	// Unowned is set if no replica runs the running attempt of a task with a Job, so that it
	// waits for a take-over.
	Unowned bool
	// Orphan is the Job of an ended task whose clean-ups have all failed. The work may still
	// go on.
	Orphan string
	// Shard says which shard of its parent a child is. It is zero for other tasks.
	Shard Shard
	// Counts are the numbers of a parent's shards. They are zero for other tasks.
	Counts ShardCounts
	// After is the id of the task that this one follows: see Spec.Then. ThenID is the id of
	// the task that follows this one, and ThenError why that was not made.
	After, ThenID, ThenError string
	// HasThen is set if a task follows this one. A task that a replica runs has it, and not Then.
	HasThen bool
	// Unarchived is set on an ended task that is kept until the archive has it.
	Unarchived bool

	Result   []byte // what the handler returned; a Reference if it is Exported
	Exported bool   // an exporter has saved the result
	// StagedBytes is the length of a result that an exporter has to save, or could not save;
	// 0 for none. SavesFailed is the number of failed saves, and SaveAt when the next one may
	// start after them. Staged is the result, on a task whose result a replica saves.
	// StagedGeneration is the generation in which the handler returned it.
	StagedBytes      int64
	SavesFailed      int
	SaveAt           time.Time
	Staged           []byte
	StagedGeneration int
	// ResultLost is the length of a result that is gone. It is set on a task that was
	// rebuilt from its last event, which contains at most MaxEventResult bytes of
	// result.
	ResultLost int
	// Log is the end of the running attempt's log, as its replica sent it last: at most
	// about a second old. It is empty if no attempt runs. The history has the logs of
	// attempts that ended. LogSize is how many bytes the attempt has written to it.
	Log     string
	LogSize int64
	Code    Code   // why the latest attempt ended
	Error   string // text of the latest failure, or the reason given with the stop that ended the task
	StopWhy string // the reason given with a stop request; "" for none

	// TimeLeft is how long the attempt may take from its start; Forever if nothing
	// bounds it. It is set only on a task that a replica runs.
	TimeLeft time.Duration
	// LargeResult is what happens to a result over the limit: that of the kind's policy. It
	// is set only on a task that a replica runs.
	LargeResult LargeResult

	// Broken is set if a part of the task's record could not be read, because another
	// program wrote it. It says which part. Such a task is not run: it fails with
	// CodeBadPayload.
	Broken error

	running  Execution // nil on a task that no replica runs
	logLimit int       // of Log on a task that no replica runs; 0 for the default
	meta     Meta      // set on a task that no replica runs
}

// MaxAttemptsOr returns the number of attempts that this task may use: its own
// MaxAttempts, else that of policy, else DefaultMaxAttempts.
func (t *Task) MaxAttemptsOr(policy Policy) int {
	if t.MaxAttempts > 0 {
		return t.MaxAttempts
	}
	if policy.MaxAttempts > 0 {
		return policy.MaxAttempts
	}
	return DefaultMaxAttempts
}
