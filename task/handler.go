package task

import "context"

// Handler runs one attempt of a task. It returns the task's result; nil is no result.
//
// An error fails the attempt; Permanent, RetryAfter and Snooze change what happens
// next. An error that wraps ErrTimeout fails it with CodeTimeout. A nil error is a success,
// even if the attempt's timeout has just passed. A handler may run more than once for one task
// and should be idempotent.
//
// The context is cancelled when the task must end. Its context.Cause is then
// ErrStopped, ErrTimeout, ErrLeaseLost, ErrShutdown or ErrReported. The handler has the
// replica's StopGrace to return, or less: see Task.LeaseLost. The context has no deadline;
// Task.TimeLeft is how long the attempt may take from its start.
type Handler func(ctx context.Context, t *Task) (result []byte, err error)

// Middleware wraps every handler of a replica.
type Middleware func(next Handler) Handler
