package worker

import (
	"context"
	"time"
)

// farewellTimeout bounds how long an ending replica, whose handlers have all
// returned or been given up, waits for the store to take its last words.
const farewellTimeout = 5 * time.Second

// leaveTimeout is the part of it that is kept for taking the replica off the list.
const leaveTimeout = time.Second

// Drain begins what the end of Run's context begins, and does not wait for it.
// Before Run it makes that end as soon as it has joined. It may be called at any
// time, more than once, and by a handler.
func (r *Replica) Drain() { poke(r.drainDue) }

// stopClaiming begins the drain and tells the pool of it. The listener goes on for the
// doorbell alone.
func (r *Replica) stopClaiming(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = draining
	close(r.drains)
	poke(r.work)
	if len(r.held) > 0 { // or it has left before anybody looks
		r.renewNow = true
		poke(r.renewing)
	}
	r.ringSelf(ctx)
}

// awaitHandlers returns when no handler runs any more, or all that do have been
// given up. Meanwhile their leases are renewed as ever.
func (r *Replica) awaitHandlers() {
	patience := time.NewTimer(r.cfg.DrainTimeout)
	defer patience.Stop()
	closed := r.closed
	for r.running() > 0 {
		select {
		case <-r.settled:
		case <-patience.C:
			r.stopHandlers()
		case <-closed:
			closed = nil
			r.stopHandlers()
		}
	}
}

func (r *Replica) running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// stopHandlers cancels every handler that still runs.
func (r *Replica) stopHandlers() {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.held {
		a.stop(ErrShutdown, now)
		if !a.graceAt.IsZero() {
			r.watchUntil(a.graceAt)
		}
	}
}

// farewell says what is left to say to the store, then takes the replica off its
// list, for which some time is left whatever hangs before it.
func (r *Replica) farewell(life context.Context, heard, kept <-chan struct{}, endEars context.CancelFunc) {
	ctx, cancel := context.WithTimeout(life, farewellTimeout-leaveTimeout)
	defer cancel()
	r.stopKeeping()
	r.flush(ctx)
	r.silence(ctx, heard)
	endEars()
	r.handBack(ctx)
	select {
	case <-kept:
	case <-ctx.Done():
	}
	if err := r.leave(life); err != nil {
		r.log.Warn("the replica could not take itself off the list; it goes when its heartbeat is missed", "err", err)
	}
}

// stopKeeping ends the keeper after the renewal that it may be at: one that
// arrives after Leave, as one that is broken off may, puts the replica back on
// the list.
func (r *Replica) stopKeeping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = leaving
	poke(r.renewing)
}

// flush returns when the store has taken every report and answered every claim,
// or ctx is done.
func (r *Replica) flush(ctx context.Context) {
	for {
		reports, clean := r.unsaid()
		if clean {
			return
		}
		select {
		case <-r.settled:
		case <-ctx.Done():
			r.log.Error("the store did not take the last reports; those tasks run again when their leases end", "reports", reports)
			return
		}
	}
}

// unsaid returns how many attempts have no answered report, and whether nothing
// at all is left to say to the store.
func (r *Replica) unsaid() (reports int, clean bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clean = len(r.outbox) == 0 && !r.sending
	for _, q := range r.queues {
		clean = clean && !q.unsure
	}
	return len(r.held), clean
}

// silence ends the listener through its doorbell, since a call that is broken
// off may swallow a marker, and returns when no ring is under way: one that
// arrives after Leave stays behind. A store that does not answer is not waited for.
func (r *Replica) silence(ctx context.Context, heard <-chan struct{}) {
	r.mu.Lock()
	r.deaf = true
	r.ringSelf(ctx)
	rung := r.ringing
	r.mu.Unlock()
	for _, done := range []<-chan struct{}{heard, rung} {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}

// handBack passes on the markers of queues that this replica had meant to ask.
func (r *Replica) handBack(ctx context.Context) {
	r.mu.Lock()
	var queues []string
	for _, q := range r.queues {
		if q.want {
			queues = append(queues, q.name)
		}
	}
	r.mu.Unlock()
	for _, name := range queues {
		if err := r.call(ctx, func(ctx context.Context) error { return r.store.Wake(ctx, name) }); err != nil {
			r.log.Warn("a queue's marker could not be passed on; other replicas find its tasks at their slow poll", "queue", name, "err", err)
			return
		}
	}
}

// leave takes the replica off the list.
func (r *Replica) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	return r.store.Leave(ctx, r.id)
}
