package task

import (
	"errors"
	"fmt"
	"strconv"
)

// What a store answers, for errors.Is.
var (
	ErrNotFound    = errors.New("no such task")
	ErrQueueFull   = errors.New("queue is full")
	ErrSchema      = errors.New("the pool was written by an incompatible version")
	ErrNotJoined   = errors.New("the pool does not know this replica")
	ErrNoReplica   = errors.New("no such replica")
	ErrNoQueue     = errors.New("no such queue")
	ErrQueueInUse  = errors.New("the queue is in use")
	ErrDrain       = errors.New("the replica was asked to drain")
	ErrUniqueTaken = errors.New("unique key is held by another task")
	ErrDenied      = errors.New("the user lacks a right") // the error itself says which
)

// Why a handler's context was cancelled, by context.Cause.
var (
	ErrStopped   = errors.New("task was stopped")
	ErrTimeout   = errors.New("attempt timed out")
	ErrLeaseLost = errors.New("lease lost: another replica may run this task")
	ErrShutdown  = errors.New("replica is shutting down")
)

// ErrStuck is what Run returns after more handlers than Config.MaxStuck ignored
// their cancelled context: only a new process gets those slots back.
var ErrStuck = errors.New("too many handlers ignore their cancelled context")

// SchemaError says that a pool was written by a program whose key layout this
// one does not know. It is an ErrSchema.
type SchemaError struct {
	Pool  string // its name
	Has   string // the schema version of the pool
	Knows string // the schema version of this program
}

// Error says which version knows what, and what to do.
func (e *SchemaError) Error() string {
	has, err1 := strconv.Atoi(e.Has)
	knows, err2 := strconv.Atoi(e.Knows)
	do := "use the release that wrote it, or another pool name"
	switch {
	case err1 != nil || err2 != nil:
	case has > knows:
		do = "upgrade this program"
	default:
		do = "let the release that wrote it drain the pool, then delete its keys, or use another pool name"
	}
	return fmt.Sprintf("%v: pool %s has key schema %q, this program knows %s: %s", ErrSchema, e.Pool, e.Has, e.Knows, do)
}

// Unwrap returns ErrSchema.
func (e *SchemaError) Unwrap() error { return ErrSchema }

// AdvisedError is an error of a store with something that a person can do about
// it.
type AdvisedError struct {
	Err error  // what the store answered
	Do  string // what a person can do about it
}

// Error is the error with the advice behind it.
func (e *AdvisedError) Error() string { return fmt.Sprintf("%v (%s)", e.Err, e.Do) }

// Unwrap returns Err.
func (e *AdvisedError) Unwrap() error { return e.Err }

// FieldError is one refused field of what a person, a config file or another
// program handed in.
type FieldError struct {
	// Field is the field or argument in snake case, with the keys of maps in
	// between: "max_attempts", "queues.default.max_len". Of an entry in the inbox it
	// is the name in the JSON.
	Field string
	Msg   string // what is wrong and what to do, e.g. `must not contain "{"`
}

// Error is the field and what is wrong with it.
func (e *FieldError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Msg) }

// TrimmedError says that a reader of the event stream fell behind its trimming:
// events after After are gone. Reading can go on from Next, which is "0" for the
// oldest event that is left.
type TrimmedError struct {
	After string // the cursor that was asked for
	Next  string // where reading can go on
}

// Error says after which cursor events are gone.
func (e *TrimmedError) Error() string {
	return fmt.Sprintf("events after %s were trimmed before they were read; continue after %q", e.After, e.Next)
}
