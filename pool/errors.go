package pool

import (
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

var (
	// ErrNoQueues is returned by Run on a pool without queues. Such a pool can enqueue,
	// read and operate.
	ErrNoQueues = errors.New("pool has no queues to serve: set Config.Queues or the concurrency of a handler, or do not call Run on a pool that only enqueues")

	// ErrNotEnded is returned when the task has not ended yet: it has no result, and
	// cannot be retried or deleted.
	ErrNotEnded = errors.New("task has not ended")

	// ErrNoExporter is returned for the result of a task that an exporter has saved, if
	// Config.Exports has none for its kind.
	ErrNoExporter = errors.New("an exporter has saved the result, and Config.Exports has none for its kind")

	// ErrEnded is returned by Stop for a task that has ended in another state.
	ErrEnded = errors.New("task has already ended")

	// ErrNotScheduled is returned by RunNow for a task that runs or has ended.
	ErrNotScheduled = errors.New("task is not scheduled")

	// ErrNotWaiting is returned by Change for a task that runs or has ended.
	ErrNotWaiting = errors.New("task is neither waiting nor scheduled")

	// ErrEmptyFilter is returned instead of changing every task of the pool.
	ErrEmptyFilter = errors.New("the filter is empty and would select every task: name states, kinds, queues, groups or ids")
)

// TaskError is returned by Result and Wait for a task that ended without success. Use
// errors.As to read it.
type TaskError struct {
	ID      string // of the task
	State   State  // Failed, Stopped or Expired
	Code    Code   // why the latest attempt ended
	Message string // text of the latest failure, or the reason given with the stop; may be empty
}

// Error returns how the task ended, and why.
func (e *TaskError) Error() string {
	s := fmt.Sprintf("task %s %s", e.ID, e.State)
	if e.Code != "" && string(e.Code) != string(e.State) {
		s += fmt.Sprintf(" (%s)", e.Code)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// checkName returns the error of task.CheckName as a FieldError.
func checkName(field, name string) error {
	if err := task.CheckName(name); err != nil {
		return &FieldError{Field: field, Msg: err.Error()}
	}
	return nil
}

// renameFields applies rename to the field names of all FieldErrors in err.
func renameFields(err error, rename func(string) string) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, renameFields(e, rename))
		}
		return errors.Join(errs...)
	}
	if f, ok := err.(*FieldError); ok {
		return &FieldError{Field: rename(f.Field), Msg: f.Msg}
	}
	return err
}
