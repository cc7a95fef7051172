package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// lastCallsTimeout bounds how long a draining replica, whose handlers have all returned
// or been given up, waits for the store to accept its last reports.
const lastCallsTimeout = 5 * time.Second

// leaveTimeout is the part of lastCallsTimeout that is reserved for Leave.
const leaveTimeout = time.Second

// drain ends a replica: it claims no more, waits for the handlers, sends the last
// reports and leaves the pool.
type drain struct {
	r         *Replica
	requested chan struct{} // full when a drain was requested
	began     chan struct{} // closed when the drain begins
	changed   chan struct{} // signals that a handler or an exchange has ended
}

// Drain starts a drain, as the end of Run's context does, and does not wait for it. If
// it is called before Run, Run drains as soon as it has joined. It may be called at any
// time, more than once, and by a handler.
func (r *Replica) Drain() { wake(r.drain.requested) }

// stopClaiming starts the drain and reports it to the pool.
func (d *drain) stopClaiming() {
	r := d.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = draining
	close(d.began)
	r.stopClaims()
	if len(r.held.live) > 0 { // without held claims the replica leaves at once
		r.keeper.request(true)
	}
}

// awaitHandlers returns when every handler has returned or been given up. Meanwhile
// leases are renewed as usual.
func (d *drain) awaitHandlers() {
	timeout := time.NewTimer(d.r.cfg.DrainTimeout)
	defer timeout.Stop()
	closed := d.r.closed
	for d.handlers() > 0 {
		select {
		case <-d.changed:
		case <-timeout.C:
			d.stopHandlers()
		case <-closed:
			closed = nil
			d.stopHandlers()
		}
	}
}

func (d *drain) handlers() int {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	return d.r.held.running
}

// stopHandlers cancels every running handler.
func (d *drain) stopHandlers() {
	now := time.Now()
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	for _, c := range d.r.held.live {
		for i := range c.attempts {
			d.r.stop(c.current(i), task.ErrShutdown, now)
		}
	}
}

// leave makes the last calls to the store, then removes the replica from the pool's
// list. leaveTimeout is reserved for that, whatever blocks before it. The listener and
// the keeper close their channels when they have ended.
func (d *drain) leave(life context.Context, listener, keeper <-chan struct{}, endListener context.CancelFunc) {
	r := d.r
	ctx, cancel := context.WithTimeout(life, lastCallsTimeout-leaveTimeout)
	defer cancel()
	// A renewal that arrives after Leave would put the replica back on the list, and a
	// cancelled one may still arrive. The keeper therefore ends after its current one.
	r.mu.Lock()
	r.phase = leaving
	r.mu.Unlock()
	wake(r.keeper.wake)
	r.listener.stop(ctx, listener)
	endListener()
	d.flush(ctx)
	select {
	case <-keeper:
	case <-ctx.Done():
	}
	if err := r.leave(life); err != nil {
		r.log().Warn("the replica could not remove itself from the list; maintenance removes it when its heartbeat is missing", "err", err)
	}
}

// flush returns when the sequences have nothing left to send, or when ctx is done.
func (d *drain) flush(ctx context.Context) {
	for {
		reports, clean := d.unsent()
		if clean {
			return
		}
		select {
		case <-d.changed:
		case <-ctx.Done():
			d.r.log().Error("the store did not accept the last reports; their tasks run again when their leases end", "reports", reports)
			return
		}
	}
}

// unsent returns how many attempts have no acknowledged report, and whether the
// sequences have nothing left to send.
func (d *drain) unsent() (reports int, clean bool) {
	r := d.r
	r.mu.Lock()
	defer r.mu.Unlock()
	clean = r.queues.unreported == 0 && len(r.member.joining) == 0
	for _, s := range r.sequences {
		clean = clean && !s.pending && !s.required && len(s.reports) == 0
	}
	for _, c := range r.held.live {
		reports += c.unacknowledged
	}
	return reports, clean
}

// leave removes the replica from the pool's list.
func (r *Replica) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	return r.store.Leave(ctx, r.ID())
}
