package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// maxHeld is how many claims one renewal lists, and how many updates it contains.
	maxHeld = 250
	// updateInterval is the least time between renewals that only send updates.
	updateInterval = time.Second
)

// keeper renews the leases of all claims every third of a lease. In between it makes
// renewals to send updates of attempts, to answer a recount of the store, and after a
// signal. These list all claims if they fit into one call. The keeper does not act on
// the end of a lease. The watch does, because no call delays it.
type keeper struct {
	r    *Replica
	wake chan struct{}

	mu        sync.Mutex
	updates   []*attempt // attempts with an update to send
	requested bool       // a renewal is needed, at least updateInterval after the last one
	urgent    bool       // a renewal is needed at once
}

func (k *keeper) run(ctx context.Context) {
	r := k.r
	t := retry{outage: r.outages, op: "renew"}
	defer t.stop()
	now := time.Now()
	next, nextUpdates := now.Add(jitter(r.cfg.Lease/3)), now // earliest renewal of all claims, and earliest for updates
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		}
		requested, urgent, ended := k.pending()
		if ended {
			return
		}
		now := time.Now()
		if all := !now.Before(next); all || urgent || requested && !now.Before(nextUpdates) {
			all, err := k.renew(ctx, all)
			switch {
			case err == nil:
				if t.ok() {
					r.listener.recheck()
				}
				nextUpdates = time.Now().Add(updateInterval)
				if all {
					next = now.Add(jitter(r.cfg.Lease / 3))
				}
			case ctx.Err() == nil:
				next = time.Now().Add(t.failed(err))
				nextUpdates = next
			}
			requested, _, _ = k.pending()
		}
		if requested {
			timer.Reset(time.Until(minTime(next, nextUpdates)))
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// pending returns which renewals were requested since the last one. ended is true when
// the keeper must make no more.
func (k *keeper) pending() (asked, urgent, ended bool) {
	k.r.mu.Lock()
	ended = k.r.phase == leaving
	k.r.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.requested, k.urgent, ended
}

// request requests a renewal with the updates of the attempts.
func (k *keeper) request(urgent bool, updates ...*attempt) {
	k.mu.Lock()
	k.updates = append(k.updates, updates...)
	k.requested, k.urgent = true, k.urgent || urgent
	k.mu.Unlock()
	wake(k.wake)
}

// renew sends the updates and renews the leases of all claims. If all is false and
// there are too many claims for one call, it renews only those that the store wants
// recounted. It reports whether it renewed all.
func (k *keeper) renew(ctx context.Context, all bool) (bool, error) {
	k.mu.Lock()
	updates := k.updates
	k.updates, k.requested, k.urgent = nil, false, false
	k.mu.Unlock()

	k.r.mu.Lock()
	joined := k.r.member.joined // a replica that has not joined holds no claims
	live := k.r.held.live
	all = all || len(live) <= maxHeld
	var claims []*claim
	for _, c := range live {
		if all || c.recount {
			claims = append(claims, c)
		}
	}
	k.r.mu.Unlock()

	for first := true; joined && (first || len(claims)+len(updates) > 0); first = false {
		c, n := claims[:min(len(claims), maxHeld)], updates[:min(len(updates), maxHeld)]
		claims, updates = claims[len(c):], updates[len(n):]
		if err := k.renewOnce(ctx, c, n); err != nil {
			k.request(false, updates...)
			return false, err
		}
	}
	return all, nil
}

// renewOnce makes one renewal. Updates that could not be sent go with the next one.
func (k *keeper) renewOnce(ctx context.Context, claims []*claim, updates []*attempt) error {
	r, sent := k.r, time.Now()
	x, claims, updates := k.newRenewal(claims, updates, sent)
	var got task.Renewed
	err := r.call(ctx, func(ctx context.Context) (err error) {
		got, err = r.store.Renew(ctx, x)
		return err
	})
	notJoined, drain := errors.Is(err, task.ErrNotJoined), errors.Is(err, task.ErrDrain)
	if (err == nil || notJoined || drain) && len(got.Verdicts) != len(x.Held) {
		err = fmt.Errorf("the store answered %d of %d renewals", len(got.Verdicts), len(x.Held))
		notJoined, drain = false, false
	}
	if err != nil && !notJoined && !drain {
		for i, a := range updates {
			a.restoreUpdate(x.Updates[i])
		}
		return err
	}
	r.needed.sent(x.Outages)
	if got.Triggers {
		r.triggers.exist()
	}
	k.apply(x, claims, got, sent)
	if notJoined {
		r.resetMembership(x.Replica)
	}
	if drain {
		r.Drain()
	}
	return nil
}

// newRenewal returns a renewal of those claims that are still held, with the updates of
// those attempts that have one. It also returns these claims and attempts.
func (k *keeper) newRenewal(claims []*claim, updates []*attempt, now time.Time) (x task.Renewal, held []*claim, sent []*attempt) {
	r := k.r
	r.mu.Lock()
	defer r.mu.Unlock()
	x = task.Renewal{
		Replica:  r.ID(),
		Lease:    r.cfg.Lease,
		Grace:    r.cfg.StopGrace + reportSlack,
		Running:  r.held.running,
		Stuck:    r.held.stuck,
		Draining: r.phase == draining,
		Refuses:  r.admission.reason,
		Outages:  r.needed.outages(),
	}
	for _, c := range claims {
		if c.lost || c.unacknowledged == 0 {
			continue
		}
		h := task.HeldClaim{Fence: c.fence, Held: c.unacknowledged, Left: c.timeLeft(now)}
		if c.recount {
			h.IDs = c.openIDs()
		}
		x.Held, held = append(x.Held, h), append(held, c)
	}
	for _, a := range updates {
		if a.returned || a.claim.lost {
			continue // its report has what is to be kept
		}
		n, any, later := a.takeUpdate(now)
		if any {
			x.Updates, sent = append(x.Updates, n), append(sent, a)
		}
		if later {
			k.request(false, a)
		}
	}
	return x, held, sent
}

// apply acts on the answer to the renewal x of the claims, which was sent at sent.
func (k *keeper) apply(x task.Renewal, claims []*claim, got task.Renewed, sent time.Time) {
	r, now := k.r, time.Now()
	var lost []*claim
	r.mu.Lock()
	r.stopAttempts(got.Stops, now) // before a claim is lost because reports have ended all its attempts
	for i, c := range claims {
		switch v := got.Verdicts[i]; {
		case v != task.LeaseLost:
			c.leaseEnd = sent.Add(r.cfg.Lease)
			if v == task.Recount {
				c.recount = true
				k.request(false)
			} else if x.Held[i].IDs != nil {
				c.recount = false
			}
		case !c.lost:
			// If no handler runs, the claim may have ended with reports that are in
			// flight. Their own verdicts count.
			if c.running > 0 {
				lost = append(lost, c)
			}
			r.lose(c, true, now)
		}
	}
	r.mu.Unlock()
	for _, c := range lost {
		r.log().Warn("the lease has ended: the tasks were taken over or removed; their handlers are cancelled", c.args()...)
	}
}
