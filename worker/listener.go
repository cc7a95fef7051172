package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// listenWait is how long the listener blocks at a time. A wait that ends without
// a signal is also the slow poll: some queues are asked for tasks, in case a wake-up
// was lost.
const listenWait = 10 * time.Second

// listenAgain is the first wait after an outage: signals may have been lost, so
// the slow poll comes soon.
const listenAgain = time.Second

// listener waits for the replica's doorbell.
type listener struct {
	r       *Replica
	cancel  context.CancelFunc // of the wait under way; guarded by the replica's mutex
	stopped bool               // nothing is left to listen for; likewise
}

func (l *listener) run(ctx context.Context) {
	r := l.r
	t := retry{outage: r.outages, op: "listen"}
	defer t.forget()
	for {
		wait := jitter(listenWait)
		if t.fails > 0 {
			wait = listenAgain
		}
		sig, id, ok, err := l.hear(ctx, wait)
		switch {
		case !ok:
			return
		case id != r.ID():
			continue // the doorbell of a replica that the pool has forgotten
		case err != nil:
			if ctx.Err() != nil || !sleep(ctx, t.failed(err)) {
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

// hear makes one wait at the doorbell of the replica under the id that it returns; ok is
// false if the listener is to end.
func (l *listener) hear(ctx context.Context, wait time.Duration) (sig task.Signal, id string, ok bool, err error) {
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

// restart breaks off the wait under way, to begin another under the replica's new id.
// The caller holds the mutex.
func (l *listener) restart() {
	if l.cancel != nil {
		l.cancel()
	}
}

// stop ends the listener through its doorbell, since a call that is broken off may
// lose a signal. It returns when the listener has ended, or ctx is done: a ring that
// arrived after Leave would stay behind.
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

// signalled makes the calls whose answers say what the signal was for: a stop, a drain,
// a scheduled task. A stop may be for a task in the answer to an exchange in flight, so
// that its sequence makes another.
func (r *Replica) signalled() {
	r.keeper.ask(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.sequences {
		if i == 0 || s.pending {
			s.call()
		}
	}
}
