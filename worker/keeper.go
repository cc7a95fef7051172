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
	// maxHeld is how many claims one renewal names, and how much updates it carries.
	maxHeld = 250
	// updatesPause is how far apart renewals are that only carry updates.
	updatesPause = time.Second
)

// keeper renews the leases of all claims every third of a lease. In between it makes
// renewals for the updates of the attempts, for claims that the store wants counted again,
// and after a signal; they name all claims if one call can. It does not act on the end
// of a lease: the watch does, which no call delays.
type keeper struct {
	r    *Replica
	wake chan struct{}

	mu      sync.Mutex
	updates []*attempt // those with something to send
	asked   bool       // a renewal is asked for, updatesPause after the last one
	urgent  bool       // … or at once
}

func (k *keeper) run(ctx context.Context) {
	r := k.r
	t := retry{outage: r.outages, op: "renew"}
	defer t.forget()
	now := time.Now()
	next, nextUpdates := now.Add(jitter(r.cfg.Lease/3)), now // earliest for all claims, and for updates
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		}
		asked, urgent, ended := k.requests()
		if ended {
			return
		}
		now := time.Now()
		if all := !now.Before(next); all || urgent || asked && !now.Before(nextUpdates) {
			all, err := k.renew(ctx, all)
			switch {
			case err == nil:
				t.ok()
				nextUpdates = now.Add(updatesPause)
				if all {
					next = now.Add(jitter(r.cfg.Lease / 3))
				}
			case ctx.Err() == nil:
				next = time.Now().Add(t.failed(err))
				nextUpdates = next
			}
			asked, _, _ = k.requests()
		}
		if asked {
			timer.Reset(time.Until(earlier(next, nextUpdates)))
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// requests returns which renewals were asked for since the last one; ended is true once
// there must be no more.
func (k *keeper) requests() (asked, urgent, ended bool) {
	k.r.mu.Lock()
	ended = k.r.phase == leaving
	k.r.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked, k.urgent, ended
}

// ask asks for a renewal, with the updates of the attempts.
func (k *keeper) ask(urgent bool, updates ...*attempt) {
	k.mu.Lock()
	k.updates = append(k.updates, updates...)
	k.asked, k.urgent = true, k.urgent || urgent
	k.mu.Unlock()
	wake(k.wake)
}

// renew sends the updates and renews the leases of all claims or, if all is false and they
// are too many for one call, of those that the store wants counted again. It reports
// whether it was all.
func (k *keeper) renew(ctx context.Context, all bool) (bool, error) {
	k.mu.Lock()
	updates := k.updates
	k.updates, k.asked, k.urgent = nil, false, false
	k.mu.Unlock()

	k.r.mu.Lock()
	joined := k.r.member.joined // or it holds no claims
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
		if err := k.call(ctx, c, n); err != nil {
			k.ask(false, updates...)
			return false, err
		}
	}
	return all, nil
}

// call makes one renewal. What it does not bring to the store is sent with the next.
func (k *keeper) call(ctx context.Context, claims []*claim, updates []*attempt) error {
	r, sent := k.r, time.Now()
	x, claims, updates := k.request(claims, updates, sent)
	var got task.Renewed
	err := r.call(ctx, func(ctx context.Context) (err error) {
		got, err = r.store.Renew(ctx, x)
		return err
	})
	forgotten, drain := errors.Is(err, task.ErrNotJoined), errors.Is(err, task.ErrDrain)
	if (err == nil || forgotten || drain) && len(got.Verdicts) != len(x.Held) {
		err = fmt.Errorf("the store answered %d of %d renewals", len(got.Verdicts), len(x.Held))
		forgotten, drain = false, false
	}
	if err != nil && !forgotten && !drain {
		for i, a := range updates {
			a.resend(x.Updates[i])
		}
		return err
	}
	k.take(x, claims, got, sent)
	if forgotten {
		r.forgotten(x.Replica)
	}
	if drain {
		r.Drain()
	}
	return nil
}

// request returns the renewal of those claims that are still held and of the attempts
// that still have updates, and which these are.
func (k *keeper) request(claims []*claim, updates []*attempt, now time.Time) (x task.Renewal, held []*claim, sent []*attempt) {
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
	}
	for _, c := range claims {
		if c.lost || c.open == 0 {
			continue
		}
		h := task.HeldClaim{Fence: c.fence, Held: c.open, Left: c.left(now)}
		if c.recount {
			h.IDs = c.openIDs()
		}
		x.Held, held = append(x.Held, h), append(held, c)
	}
	for _, a := range updates {
		if n, any := a.takeUpdate(); any && !a.returned && !a.claim.lost {
			x.Updates, sent = append(x.Updates, n), append(sent, a)
		}
	}
	return x, held, sent
}

// take acts on the answer to the renewal x of the claims, which was sent at sent.
func (k *keeper) take(x task.Renewal, claims []*claim, got task.Renewed, sent time.Time) {
	r, now := k.r, time.Now()
	var lost []*claim
	r.mu.Lock()
	for i, c := range claims {
		switch v := got.Verdicts[i]; {
		case v != task.LeaseLost:
			c.leaseEnd = sent.Add(r.cfg.Lease)
			if v == task.Recount {
				c.recount = true
				k.ask(false)
			} else if x.Held[i].IDs != nil {
				c.recount = false
			}
		case !c.lost:
			// If no handler runs, the claim may have ended with the reports under way:
			// their own verdicts count.
			if c.running > 0 {
				lost = append(lost, c)
			}
			r.lose(c, true, now)
		}
	}
	r.stopAttempts(got.Stops, now)
	r.mu.Unlock()
	for _, c := range lost {
		r.log().Warn("the lease ended: the tasks were taken over or removed; their handlers are cancelled", c.args()...)
	}
}
