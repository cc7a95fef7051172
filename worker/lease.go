package worker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// extraRenewal is how far apart renewals are that only carry news.
const extraRenewal = time.Second

// margin is how long before its lease ends an attempt is cancelled, so that its
// handler has stopped before another replica can start the task.
func (r *Replica) margin() time.Duration {
	return max(r.cfg.Lease/10, min(r.cfg.Lease/4, time.Second))
}

// LeaseLost is closed when another replica may run the task from now on: the lease
// of the attempt was lost, or its handler was given up after Config.StopGrace. Only
// the first cause of a cancelled context stands, so that ErrLeaseLost does not come
// to a handler that was stopped, has timed out or is being shut down already: this
// does. A handler that takes its time after its context has ended, or leaves a grace
// to what it has started, must end both as soon as this is closed. Where the cause is
// ErrLeaseLost it is closed when the context ends. It is nil on a task that no replica
// runs.
func (t *Task) LeaseLost() <-chan struct{} {
	if t.attempt == nil {
		return nil
	}
	return t.attempt.passed
}

// keep renews the leases of all held attempts every third of a lease, and sooner
// where the doorbell rang or there is progress to tell. The lease's end is not
// its business but the watch's, which no hanging call can hold up.
func (r *Replica) keep(ctx context.Context) {
	t := retry{outage: r.outages, op: "renew"}
	defer t.forget()
	now := time.Now()
	next, extra := now.Add(jitter(r.cfg.Lease/3)), now
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.renewing:
		}
		now := time.Now()
		urgent, dirty, ended := r.requests()
		if ended {
			return
		}
		if dirty && extra.Before(next) {
			next = extra
		}
		if urgent || !now.Before(next) {
			joins := r.joins.Load()
			err := r.renew(ctx, now)
			switch {
			case errors.Is(err, ErrNotJoined):
				err = r.rejoin(ctx, joins)
			case errors.Is(err, ErrDrain):
				r.Drain()
				err = nil
			}
			if err == nil {
				t.ok()
				next, extra = now.Add(jitter(r.cfg.Lease/3)), now.Add(extraRenewal)
			} else if ctx.Err() == nil {
				next = time.Now().Add(t.failed(err))
				extra = next
			}
		}
		timer.Reset(time.Until(next))
	}
}

// requests returns what renewals were asked for since the last one; ended is
// true once there must be no more.
func (r *Replica) requests() (urgent, dirty, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.renewNow, r.renewDirty, r.phase == leaving
}

// renewSoon asks for a renewal that carries news, about a second away at most.
func (r *Replica) renewSoon() {
	r.mu.Lock()
	asked := r.renewDirty
	r.renewDirty = true
	r.mu.Unlock()
	if !asked {
		poke(r.renewing)
	}
}

// bell acts on the doorbell: somebody may have asked for the end of a task here.
func (r *Replica) bell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lateBell = r.lateBell || r.flight
	if len(r.held) > 0 {
		r.renewNow = true
		poke(r.renewing)
	}
}

// renew makes one renewal of everything that is held. ErrNotJoined says that it
// has worked, but that the pool has forgotten the replica; ErrDrain that it has
// worked, and that the replica is to drain.
func (r *Replica) renew(ctx context.Context, now time.Time) error {
	req := Renewal{Replica: r.id, Lease: r.cfg.Lease, Grace: r.cfg.StopGrace + reportSlack}
	r.mu.Lock()
	r.renewNow, r.renewDirty = false, false
	req.Stuck, req.Draining = r.stuck, r.phase == draining
	req.Held = make([]Held, 0, len(r.held))
	sent := make([]*attempt, 0, len(r.held))
	seqs := make([]int, 0, len(r.held))
	for a := range r.held {
		if a.lost {
			continue
		}
		progress, seq := a.news()
		req.Held = append(req.Held, Held{ID: a.task.ID, Fence: a.task.Fence, Progress: progress, Slow: a.slow})
		sent = append(sent, a)
		seqs = append(seqs, seq)
	}
	r.mu.Unlock()

	var verdicts []Verdict
	err := r.call(ctx, func(ctx context.Context) (err error) {
		verdicts, err = r.store.Renew(ctx, req)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotJoined) && !errors.Is(err, ErrDrain) {
		return err
	}
	if len(verdicts) != len(sent) {
		return fmt.Errorf("the store answered %d of %d renewals", len(verdicts), len(sent))
	}

	var lost []*attempt
	r.mu.Lock()
	for i, a := range sent {
		switch verdicts[i] {
		case LeaseLost, Gone:
			// Of an attempt whose end is being reported this may be the echo of
			// that very report: its own verdict says more.
			if a.returned || a.abandoned || a.lost {
				continue
			}
			a.refused = true
			a.lose(time.Now())
			lost = append(lost, a)
		default:
			a.leaseEnd = now.Add(r.cfg.Lease)
			a.slow = a.slow && !req.Held[i].Slow
			a.told(seqs[i])
			if verdicts[i] == StopRequested {
				a.stop(ErrStopped, time.Now())
			}
		}
		if !a.graceAt.IsZero() {
			r.watchUntil(a.graceAt)
		}
	}
	r.mu.Unlock()
	for _, a := range lost {
		r.log.Warn("the lease ended: the task was taken over or removed; its handler is cancelled", a.args()...)
	}
	return err
}
