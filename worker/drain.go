package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// farewellTimeout bounds how long an ending replica, whose handlers have all
// returned or been given up, waits for the store to take its last reports.
const farewellTimeout = 5 * time.Second

// leaveTimeout is the part of it that is kept for taking the replica off the list.
const leaveTimeout = time.Second

// drain ends a replica: it claims no more, waits for the handlers, reports what is left
// and leaves.
type drain struct {
	r       *Replica
	due     chan struct{} // full when the drain was asked for
	began   chan struct{} // closed when it begins
	changed chan struct{} // wakes it: a handler or an exchange has ended
}

// Drain begins what the end of Run's context begins, and does not wait for it.
// Before Run it makes that end as soon as it has joined. It may be called at any
// time, more than once, and by a handler.
func (r *Replica) Drain() { wake(r.drain.due) }

// stopClaiming begins the drain and lets the pool know. Queues that were to be asked are
// named as busy, so that other replicas are woken for them.
func (d *drain) stopClaiming() {
	r := d.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = draining
	close(d.began)
	for i, s := range r.sequences {
		for _, q := range s.asks {
			q.wants[i] = false
			r.queues.addBusy(q)
		}
		s.asks = nil
	}
	r.sequences[0].call()
	if len(r.held.live) > 0 { // or it has left before anybody reads of the drain
		r.keeper.ask(true)
	}
}

// awaitHandlers returns when no handler runs any more, or all that do have been
// given up. Meanwhile leases are renewed as ever.
func (d *drain) awaitHandlers() {
	patience := time.NewTimer(d.r.cfg.DrainTimeout)
	defer patience.Stop()
	closed := d.r.closed
	for d.handlers() > 0 {
		select {
		case <-d.changed:
		case <-patience.C:
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

// stopHandlers cancels every handler that still runs.
func (d *drain) stopHandlers() {
	now := time.Now()
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	for _, c := range d.r.held.live {
		for i := range c.attempts {
			d.r.stop(&c.attempts[i], task.ErrShutdown, now)
		}
	}
}

// leave makes the last calls to the store, then takes the replica off its list, for
// which some time is left whatever hangs before it. The listener and the keeper close
// their channels when they have ended.
func (d *drain) leave(life context.Context, listener, keeper <-chan struct{}, endListener context.CancelFunc) {
	r := d.r
	ctx, cancel := context.WithTimeout(life, farewellTimeout-leaveTimeout)
	defer cancel()
	// A renewal that arrives after Leave, as one that is broken off may, would put the
	// replica back on the list: the keeper ends after the one under way.
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
		r.log().Warn("the replica could not take itself off the list; it goes when its heartbeat is missed", "err", err)
	}
}

// flush returns when the sequences have nothing left to send, or ctx is done.
func (d *drain) flush(ctx context.Context) {
	for {
		reports, clean := d.unsent()
		if clean {
			return
		}
		select {
		case <-d.changed:
		case <-ctx.Done():
			d.r.log().Error("the store did not take the last reports; those tasks run again when their leases end", "reports", reports)
			return
		}
	}
}

// unsent returns how many attempts have no answered report, and whether the sequences have
// nothing left to send.
func (d *drain) unsent() (reports int, clean bool) {
	r := d.r
	r.mu.Lock()
	defer r.mu.Unlock()
	clean = r.queues.fresh == 0 && len(r.member.joining) == 0
	for _, s := range r.sequences {
		clean = clean && !s.pending && !s.due && len(s.reports) == 0
	}
	for _, c := range r.held.live {
		reports += c.open
	}
	return reports, clean
}

// leave takes the replica off the list.
func (r *Replica) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	return r.store.Leave(ctx, r.ID())
}
