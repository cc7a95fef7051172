package pool

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// outage is a stretch of time in which calls to the store fail, as one loop that
// lives through it sees it: tries are spaced out, and the log has one line for its
// beginning and one for its end, in the words and at the levels of package worker.
type outage struct {
	log   *slog.Logger
	what  string // what the loop does, e.g. "read events"
	tries int
	since time.Time
	// worked says that a call has gone well: a right that is missing now may come
	// back, one that was missing from the start does not.
	worked bool
}

// pause waits before the next try after err. It returns an error if there is to be
// none: the context's if that has ended, err if no other try can succeed.
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
	return sleep(ctx, spacing(o.tries))
}

// over says that a try went well.
func (o *outage) over() {
	o.worked = true
	if o.tries > 0 {
		o.log.Warn("the store works again", "call", o.what, "after", time.Since(o.since).Round(time.Millisecond))
		o.tries = 0
	}
}

// ended is the error of a context that has ended, else nil. Use it after the error of a
// call: drivers give the socket the context's deadline, and it may pass there a moment
// before the context's own timer fires.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}

// spacing is how long to wait before try n, from 1: 50 ms doubling to 2 s, of
// which a random half is left out so that many clients do not come back at once.
func spacing(n int) time.Duration {
	d := min(50*time.Millisecond<<min(n-1, 10), 2*time.Second)
	return d/2 + rand.N(d/2)
}

// sleep waits for d, or returns the context's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
