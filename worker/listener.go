package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// listenWait is how long one call of the listener blocks. After a call without a signal
// the replica makes a slow poll: it claims from some queues in case a signal was lost.
const listenWait = 10 * time.Second

// listenRetryWait is how long the first call after a failed one blocks. Signals may
// have been lost, so the slow poll follows soon.
const listenRetryWait = time.Second

// listener waits for the replica's signals.
type listener struct {
	r       *Replica
	cancel  context.CancelFunc // of the current call; guarded by the replica's mutex
	stopped bool               // set by stop; guarded by the replica's mutex
	lost    bool               // signals or the idle mark may be lost; guarded by the replica's mutex
}

func (l *listener) run(ctx context.Context) {
	r := l.r
	t := retry{outage: r.outages, op: "listen"}
	defer t.stop()
	for {
		wait := jitter(listenWait)
		if t.fails > 0 {
			wait = listenRetryWait
		}
		sig, id, ok, err := l.listenOnce(ctx, wait)
		lost := l.takeLost()
		switch {
		case !ok:
			return
		case id != r.ID():
			continue // a signal for the replica's former id
		case lost:
			r.signalled()
			r.poll()
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				continue // recheck has cancelled the call
			}
			t.ok()
		case err != nil:
			if ctx.Err() != nil || backoff.Sleep(ctx, t.failed(err)) != nil {
				return
			}
			continue
		case t.fails > 0:
			t.ok()
			r.signalled()
			r.poll()
		case sig == task.Signal{}:
			r.poll()
		}
		if sig.Drain {
			r.Drain()
		}
		if sig.Shards {
			wake(r.spreader.wake)
		}
		if sig.Triggers || lost || err != nil {
			wake(r.triggers.wake)
		}
		q := r.queues.byName[sig.Queue]
		if sig.Check || sig.Queue != "" && q == nil {
			r.signalled()
		}
		if q != nil {
			r.mu.Lock()
			r.ready(q)
			r.mu.Unlock()
		}
	}
}

// listenOnce waits once for a signal under the replica's id, which it returns. ok is
// false if the listener must end.
func (l *listener) listenOnce(ctx context.Context, wait time.Duration) (sig task.Signal, id string, ok bool, err error) {
	r := l.r
	ctx, cancel := context.WithTimeout(ctx, wait+r.callTimeout)
	defer cancel()
	r.mu.Lock()
	id, ok = r.ID(), !l.stopped
	l.cancel = cancel
	r.mu.Unlock()
	if ok {
		sig, err = r.store.Listen(ctx, id, wait)
	}
	return sig, id, ok, err
}

// restart cancels the current call. The next one uses the replica's new id, if it has
// one. The caller holds the mutex.
func (l *listener) restart() {
	if l.cancel != nil {
		l.cancel()
	}
}

// recheck is called when another call of the replica works again. The store may have lost
// the replica's signals and the mark that it is idle, and the current call may never be
// answered: its connection may be dead. The listener makes a new call, and polls.
func (l *listener) recheck() {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.lost = true
	l.restart()
}

func (l *listener) takeLost() (lost bool) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	lost, l.lost = l.lost, false
	return lost
}

// stop ends the listener with a signal, because cancelling a call may lose one. It
// returns when the listener has ended or ctx is done. A signal that arrived after Leave
// would remain in the store.
func (l *listener) stop(ctx context.Context, ended <-chan struct{}) {
	r := l.r
	r.mu.Lock()
	l.stopped = true
	id := r.ID()
	r.mu.Unlock()
	t := retry{outage: r.outages, op: "wake replica"}
	r.retryCall(ctx, &t, func(ctx context.Context) error { return r.store.Wake(ctx, id) })
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// signalled makes the calls whose answers contain the reason for a signal: a stop, a
// drain or a scheduled task. A stop may concern a task in the answer to an exchange in
// flight; the sequence of that exchange then makes another one.
func (r *Replica) signalled() {
	r.keeper.request(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.sequences {
		if i == 0 || s.pending {
			s.requireExchange()
		}
	}
}
