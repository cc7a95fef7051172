package task

import (
	"errors"
	"fmt"
	"strconv"
)

// Errors of a store; use errors.Is.
var (
	ErrNotFound     = errors.New("no such task")
	ErrQueueFull    = errors.New("queue is full")
	ErrLimitReached = errors.New("limit is reached")
	ErrSchema       = errors.New("the pool was written by an incompatible version")
	ErrNotJoined    = errors.New("the pool does not know this replica")
	ErrNoReplica    = errors.New("no such replica")
	ErrNoQueue      = errors.New("no such queue")
	ErrQueueInUse   = errors.New("the queue is in use")
	ErrDrain        = errors.New("the replica was asked to drain")
	ErrUniqueTaken  = errors.New("unique key is held by another task")
	ErrShardsLive   = errors.New("its shards are still being stopped")
	ErrDenied       = errors.New("permission denied") // the error of the store names the command or key
	ErrNoReject     = errors.New("no such rejected entry")
	ErrNoTrigger    = errors.New("no such trigger")
	ErrEntryTaken   = errors.New("another replica has taken the entry")
	// ErrUnknownToken is returned for a report from outside whose token belongs to no
	// running attempt: it is wrong, or the attempt has ended.
	ErrUnknownToken = errors.New("the token belongs to no running attempt")
	ErrRejectCut    = errors.New("only the beginning of the entry is kept: give the whole text")
)

// The reasons why a handler's context is cancelled, as context.Cause returns them.
var (
	ErrStopped   = errors.New("task was stopped")
	ErrTimeout   = errors.New("attempt timed out")
	ErrLeaseLost = errors.New("lease lost: another replica may run this task")
	ErrShutdown  = errors.New("replica is shutting down")
	ErrReported  = errors.New("a report from outside has ended the attempt")
)

// ErrStuck is returned by Run after more than Config.MaxStuck handlers have ignored
// their cancelled context. Only a new process frees their slots.
var ErrStuck = errors.New("too many handlers ignore their cancelled context")

// SchemaError is returned when a pool was written with a key layout that this program
// does not know. It wraps ErrSchema.
type SchemaError struct {
	Pool  string // name of the pool
	Has   string // schema version of the pool
	Knows string // schema version of this program
}

// Error names both versions and says what to do.
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

// AdvisedError is an error of a store together with advice for an operator.
type AdvisedError struct {
	Err error  // the error of the store
	Do  string // what an operator can do about it
}

// Error returns the error, followed by the advice.
func (e *AdvisedError) Error() string { return fmt.Sprintf("%v (%s)", e.Err, e.Do) }

// Unwrap returns Err.
func (e *AdvisedError) Unwrap() error { return e.Err }

// FieldError is an invalid field of an argument, a config file or an inbox entry.
type FieldError struct {
	// Field is the name of the field or argument in snake case, with the keys of maps
	// in between: "max_attempts", "queues.default.max_len". For an inbox entry it is
	// the name in the JSON.
	Field string
	Msg   string // what is wrong and what to do, e.g. `must not contain "{"`
}

// Error returns the field and what is wrong with it.
func (e *FieldError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Msg) }

// FieldErrors returns every *FieldError inside err, also of joined errors.
func FieldErrors(err error) []*FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *FieldError:
		return []*FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*FieldError
		for _, one := range e.Unwrap() {
			all = append(all, FieldErrors(one)...)
		}
		return all
	}
	return FieldErrors(errors.Unwrap(err))
}

// TrimmedError is returned when events were trimmed from the stream before a reader
// read them: the events after After are gone. Reading can continue after Next, which is
// "0" for the oldest event that is left.
type TrimmedError struct {
	After string // the cursor that was given
	Next  string // the cursor to continue after
}

// Error names the cursor after which events are gone and the one to continue after.
func (e *TrimmedError) Error() string {
	return fmt.Sprintf("events after %s were trimmed before they were read; continue after %q", e.After, e.Next)
}
