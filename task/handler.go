package task

import "context"

// Handler runs one attempt of a task. What it returns becomes the task's
// result; nil is no result. Its context is cancelled when the task must end:
// context.Cause is ErrStopped, ErrTimeout, ErrLeaseLost or ErrShutdown. From then on
// it has the StopGrace of its replica to return, or less: see Task.LeaseLost. The context has no
// deadline: Task.TimeLeft is what the attempt may take from its start. An error
// fails the attempt; Permanent, RetryAfter and Snooze say more. Nil is success, also
// of a handler whose timeout has just passed. A handler may run more than once for
// one task and should be idempotent.
type Handler func(ctx context.Context, t *Task) (result []byte, err error)

// Middleware wraps every handler of a replica: the one way to extend it.
type Middleware func(next Handler) Handler
