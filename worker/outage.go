package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// outage logs failing calls. The log has one line when the first call begins to fail
// and one when no call fails any more. In between it has one more line for each new
// piece of advice for an operator: an outage that begins with a broken connection may
// continue with a refusal.
type outage struct {
	log   func() *slog.Logger
	hooks *hooks

	mu      sync.Mutex
	failing map[*retry]struct{}
	advised []string
	since   time.Time
}

func (o *outage) begin(t *retry, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var a *task.AdvisedError
	advised := errors.As(err, &a) && !slices.Contains(o.advised, a.Do)
	if advised {
		o.advised = append(o.advised, a.Do)
	}
	switch {
	case len(o.failing) == 0:
		o.since = time.Now()
		o.hooks.disconnected(err)
		o.log().Error("calls to the store fail; trying again until they work", "call", t.op, "err", err)
	case advised:
		o.log().Error("calls to the store still fail, for another reason", "call", t.op, "err", err)
	}
	o.failing[t] = struct{}{}
}

// end records that a call works again. With works false it records that the call is not
// made any more, so that it is unknown whether it would work.
func (o *outage) end(t *retry, works bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.failing, t)
	if len(o.failing) > 0 {
		return
	}
	o.advised = nil
	if works {
		o.hooks.connected()
		o.log().Warn("the store works again", "after", time.Since(o.since).Round(time.Millisecond))
	}
}

// duration returns how long calls have been failing; 0 if they work.
func (o *outage) duration() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.failing) == 0 {
		return 0
	}
	return time.Since(o.since)
}

// retry counts the failures of one kind of call in one goroutine. A goroutine that ends
// after a failure calls stop.
type retry struct {
	*outage
	op    string
	fails int
}

// failed counts an error and returns the pause before the next try.
func (t *retry) failed(err error) time.Duration {
	t.begin(t, err)
	t.fails++
	return backoff.Delay(t.fails)
}

// ok reports whether the call had failed before.
func (t *retry) ok() (again bool) {
	if again = t.fails > 0; again {
		t.fails = 0
		t.end(t, true)
	}
	return again
}

// stop is called by a goroutine that does not repeat the call any more.
func (t *retry) stop() {
	if t.fails > 0 {
		t.fails = 0
		t.end(t, false)
	}
}

// call makes a call to the store, bounded by callTimeout.
func (r *Replica) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.callTimeout)
	defer cancel()
	return f(ctx)
}

// retryCall makes a call, as call does, until it works or ctx is done.
func (r *Replica) retryCall(ctx context.Context, t *retry, f func(context.Context) error) {
	for {
		err := r.call(ctx, f)
		if err == nil {
			t.ok()
			return
		}
		if ctx.Err() != nil || backoff.Sleep(ctx, t.failed(err)) != nil {
			t.stop()
			return
		}
	}
}

// jitter returns d ± 10 %.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
