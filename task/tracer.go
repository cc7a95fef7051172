package task

import (
	"context"
	"time"
)

// Tracer makes spans of enqueues and attempts. Package observe/traces has one. Its methods are
// called concurrently by the goroutines that do the work, without a lock. They must not call the
// pool.
type Tracer interface {
	// Enqueue is called before a call that makes tasks of specs, which are valid. pool is the
	// name of the pool, "" if it is not known. Enqueue may replace the Headers of a spec, but
	// must not change the map. Specs may share a map. The spec must stay valid. The call uses the
	// context that it returns. Then ended is called with a receipt for each spec and the error. A
	// receipt without an ID says that nothing is known of the task.
	Enqueue(ctx context.Context, pool string, specs []Spec) (traced context.Context, ended func([]Receipt, error))
	// Attempt is called before a handler starts, also before the save of a result. queue is
	// the queue from which the task was claimed. The handler gets the context that it returns.
	// ended is called once: when the handler has returned, or when the replica gives up a handler
	// that ignores its cancelled context. A panic of Attempt or ended is logged, and the attempt goes on.
	Attempt(ctx context.Context, pool string, t *Task, queue string) (traced context.Context, ended func(AttemptEnd))
}

// AttemptEnd is how an attempt has ended, as its replica reports it. The store may refuse the
// report.
type AttemptEnd struct {
	Op    Op
	Code  Code      // CodeLost if the lease has ended before
	Error string    // of an attempt that has failed
	Slow  time.Time // when the soft timeout passed; zero if it has not passed
}

type traceHeaders struct{}

// WithTraceHeaders returns a context for which TraceHeaders calls headers.
func WithTraceHeaders(ctx context.Context, headers func(context.Context) map[string]string) context.Context {
	return context.WithValue(ctx, traceHeaders{}, headers)
}

// TraceHeaders returns the headers, such as traceparent, with which work elsewhere joins the trace
// of an attempt. The names are in lower case. ctx is the context of the handler, or is derived
// from it. Without a Tracer there are none.
func TraceHeaders(ctx context.Context) map[string]string {
	headers, ok := ctx.Value(traceHeaders{}).(func(context.Context) map[string]string)
	if !ok {
		return nil
	}
	return headers(ctx)
}
