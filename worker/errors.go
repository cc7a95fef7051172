package worker

import (
	"errors"
	"fmt"
)

// What a store answers, for errors.Is.
var (
	ErrNotFound    = errors.New("no such task")
	ErrQueueFull   = errors.New("queue is full")
	ErrSchema      = errors.New("the pool was written by an incompatible version")
	ErrNotJoined   = errors.New("the pool does not know this replica")
	ErrUniqueTaken = errors.New("unique key is held by another task")
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

// FieldError is one refused field of what a person, a config file or another
// program handed in.
type FieldError struct {
	Field string // as the caller spelled it, e.g. "queue"
	Msg   string // what is wrong and what to do, e.g. `must not contain "{"`
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Msg) }

// TrimmedError says that a reader of the event stream fell behind its trimming:
// events after After are gone. Reading can go on from Next, which is "0" for the
// oldest event that is left.
type TrimmedError struct {
	After string
	Next  string
}

func (e *TrimmedError) Error() string {
	return fmt.Sprintf("events after %s were trimmed before they were read; continue after %q", e.After, e.Next)
}
