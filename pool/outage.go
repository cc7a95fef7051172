package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// outage spaces and logs the failing calls of one loop. The log has one line when calls
// begin to fail and one when they work again, with the texts and levels of package
// worker.
type outage struct {
	log   *slog.Logger
	what  string // the operation, e.g. "read events"
	tries int
	since time.Time
	// worked is set once a call has succeeded. Only then is ErrDenied retried:
	// permissions that were present before may be restored.
	worked bool
}

// pause waits before the next try after err. It returns an error if no try should
// follow: the context's if that has ended, or err if it is permanent.
func (o *outage) pause(ctx context.Context, err error) error {
	if over := ended(ctx); over != nil {
		return over
	}
	if errors.Is(err, task.ErrSchema) || errors.Is(err, task.ErrDenied) && !o.worked {
		return err
	}
	if o.tries == 0 {
		o.since = time.Now()
		o.log.Error("calls to the store fail; trying again until they work", "call", o.what, "err", err)
	}
	o.tries++
	return backoff.Sleep(ctx, backoff.Delay(o.tries))
}

// recovered records that a call has succeeded.
func (o *outage) recovered() {
	o.worked = true
	if o.tries > 0 {
		o.log.Warn("the store works again", "call", o.what, "after", time.Since(o.since).Round(time.Millisecond))
		o.tries = 0
	}
}

// ended returns the error of a context that has ended, else nil. Use it after the error
// of a call: drivers set the context's deadline on the socket, where it may pass a
// moment before the context's own timer fires.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}
