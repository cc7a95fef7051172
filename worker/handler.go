package worker

import "context"

// Handler runs one attempt of a task. What it returns becomes the task's
// result; nil is no result. Its context ends when the task must: context.Cause
// is ErrStopped, ErrTimeout, ErrLeaseLost or ErrShutdown. An error fails the
// attempt; Permanent, RetryAfter and Snooze say more. A handler may run more
// than once for one task and should be idempotent.
type Handler func(ctx context.Context, t *Task) (result []byte, err error)

// Middleware wraps every handler of a replica: the one way to extend it.
type Middleware func(next Handler) Handler
