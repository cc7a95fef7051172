package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between two turns of the pool's upkeep are at most maxUpkeep, or a
// lease where that is shorter, and at least minUpkeep, or minDue where the store
// itself says that something is due so soon.
const (
	maxUpkeep = 10 * time.Second
	minUpkeep = 100 * time.Millisecond
	minDue    = 10 * time.Millisecond
)

// maintain takes turns at the pool's upkeep with the other replicas.
func (r *Replica) maintain(ctx context.Context) {
	t := retry{outage: r.outages, op: "maintain"}
	defer t.forget()
	longest := min(maxUpkeep, r.cfg.Lease)
	pause := time.Duration(0)
	for sleep(ctx, pause) {
		var up Upkeep
		err := r.call(ctx, func(ctx context.Context) (err error) {
			up, err = r.store.Maintain(ctx, r.id)
			return err
		})
		r.tellMended(up.Mended)
		if ctx.Err() != nil {
			return
		}
		if up.Lost > 0 {
			r.log.Warn("leases ended without a report; their tasks go on elsewhere", "leases", up.Lost)
			// A replica that is frozen or cut off still counts as listening, and
			// may have been given the marker that their tasks left.
			r.poll()
		}
		if up.Inbox && r.inbox.TryLock() {
			r.wg.Go(func() {
				defer r.inbox.Unlock()
				r.admit(ctx)
			})
		}
		if err != nil {
			pause = t.failed(err)
			continue
		}
		t.ok()
		pause = upkeepPause(up, longest)
	}
}

// mostMended bounds how many repairs of one turn are logged one by one.
const mostMended = 20

// tellMended logs what was repaired: somebody may want to know who broke it.
func (r *Replica) tellMended(mended []Finding) {
	for _, f := range mended[:min(len(mended), mostMended)] {
		r.log.Warn("a broken entry was repaired", "key", f.Key, "task", f.Task, "found", f.What, "done", f.Fixed)
	}
	if more := len(mended) - mostMended; more > 0 {
		r.log.Warn("more broken entries were repaired", "entries", more)
	}
}

// upkeepPause is how long to wait after a turn.
func upkeepPause(up Upkeep, longest time.Duration) time.Duration {
	switch {
	case up.Busy: // somebody is at it: often enough to notice when they no longer are
		return max(jitter(longest/2), minUpkeep)
	case up.Next > 0 && up.Next < longest:
		return max(up.Next, minDue)
	default:
		return max(longest-rand.N(longest/10), minUpkeep)
	}
}
