package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// reportSlack is how far a lease may extend past StopGrace, so that the report of a
// handler that was given up arrives before the store ends the lease.
const reportSlack = 2 * time.Second

// claim is a batch of tasks that one exchange claimed from one queue, with one fence
// and one lease. The replica's mutex guards its fields.
type claim struct {
	sequence *sequence
	q        *queue
	fence    int64
	attempts []attempt // one per task

	acceptedAt time.Time // when the attempts started

	leaseEnd  time.Time // when the store may give the tasks to another replica
	deadline  time.Time // when the attempts time out; zero for never
	nextCheck time.Time // earliest time at which the watch must check the claim

	unacknowledged int  // attempts whose end the store has not acknowledged
	sending        int  // attempts reported by the exchange that is being prepared
	running        int  // handlers that run and have not been given up
	recount        bool // the store requested the ids of the unacknowledged attempts
	lost           bool // the lease has ended: reports of these attempts do not count
	refused        bool // the store reported that the lease has ended
}

// timeLeft returns how long the attempts may still take; negative if the deadline has
// passed.
func (c *claim) timeLeft(now time.Time) time.Duration {
	if c.deadline.IsZero() {
		return task.Forever
	}
	return c.deadline.Sub(now)
}

// openIDs returns the ids of the attempts whose end the store has not acknowledged.
func (c *claim) openIDs() (ids []string) {
	for i := range c.attempts {
		if a := c.current(i); !a.acknowledged {
			ids = append(ids, a.task.ID)
		}
	}
	return ids
}

// heldClaims are the claims of a replica. The replica's mutex guards its fields.
type heldClaims struct {
	live map[int64]*claim    // by fence: claims whose leases are renewed
	lost map[*claim]struct{} // claims whose lease has ended and that have running handlers

	running int   // handlers that run and have not been given up
	stuck   int   // handlers that have been given up and have not returned
	dropped int64 // outcomes that were refused
}

// acknowledge records the verdict on the report of an attempt. It reports whether the
// verdict is a refusal to log. The refusal for an attempt that was given up was logged
// before.
func (h *heldClaims) acknowledge(a *attempt, v task.Verdict) (refused bool) {
	c := a.claim
	a.acknowledged = true
	c.unacknowledged--
	if c.unacknowledged == 0 && h.live[c.fence] == c {
		delete(h.live, c.fence)
	}
	refused = (v == task.LeaseLost || v == task.Gone) && a.handle != nil && !a.dropped && !a.abandoned
	if refused {
		h.dropped++
	}
	return refused
}

// handlerEnded counts a handler that has returned or was given up.
func (h *heldClaims) handlerEnded(c *claim) {
	h.running--
	c.running--
	if c.running == 0 {
		delete(h.lost, c)
	}
}

// margin is how long before the end of its lease a claim is given up, so that its
// handlers have stopped before another replica can start the tasks.
func (r *Replica) margin() time.Duration {
	return max(r.cfg.Lease/10, min(r.cfg.Lease/4, time.Second))
}

// accept adds a claim of an exchange's answer. Its tasks are started, or released if it
// is too late for them. current is false if the pool has forgotten the replica since
// the claim was made. The caller holds the mutex.
func (s *sequence) accept(got *task.Claimed, storeNow, sent, now time.Time, current bool) {
	r := s.r
	q, ours := r.queues.byName[got.Queue]
	if !ours {
		q = &queue{name: got.Queue, slots: newSlots(0, 1, false)}
	}
	c := &claim{sequence: s, q: q, fence: got.Fence, unacknowledged: len(got.Tasks), acceptedAt: now}
	// The lease began at the claim, which was long ago if the answer is repeated.
	// leaseEnd is counted from before the request was sent, so that it is not later than
	// in the store.
	c.leaseEnd = sent.Add(r.cfg.Lease)
	if age := storeNow.Sub(got.Started); !got.Started.IsZero() && age > 0 {
		c.leaseEnd = c.leaseEnd.Add(-age)
	}
	c.nextCheck = c.leaseEnd.Add(-r.margin())
	late := !current || !ours || r.phase != serving || !now.Before(c.nextCheck)
	if got.Left != task.Forever {
		c.deadline = sent.Add(got.Left)
		late = late || !now.Before(c.deadline)
		c.nextCheck = minTime(c.nextCheck, c.deadline)
	}
	if current && c.unacknowledged > 0 {
		r.held.live[c.fence] = c
	}

	c.attempts = make([]attempt, len(got.Tasks))
	for i, t := range got.Tasks {
		a := &c.attempts[i]
		a.claim, a.task, a.ctx.base = c, t, r.base
		t.Fence, t.TimeLeft = got.Fence, got.Left
		t.Bind(a)
		h, known := r.handlers[t.Kind]
		saves := a.saves()
		if saves {
			h, known = r.saver(t.Kind)
		}
		if t.Broken != nil {
			h, known = failBroken, true
		}
		switch {
		case late:
			a.giveBack(task.CodeReleased, 0)
		case !saves && len(r.cfg.Handlers) > 0 && r.cfg.Handlers[t.Kind].Disabled && t.Broken == nil:
			a.giveBack(task.CodeReleased, withinDeadline(disabledDelay(t.Attempt), t, storeNow))
		case !known:
			a.giveBack(task.CodeNoHandler, unknownKindDelay())
			s.unknown = append(s.unknown, t)
		case !saves && !a.takeOwn():
			a.giveBack(task.CodeReleased, withinDeadline(a.own.delay(now), t, storeNow))
		default:
			a.handle = h
			c.running++
			p := r.cfg.Policies[t.Kind]
			if saves {
				p = task.Policy{}
			}
			t.LargeResult = p.LargeResult
			a.series = newSeries(t, p)
			if p.SoftTimeout > 0 {
				a.slowAt = now.Add(p.SoftTimeout)
				c.nextCheck = minTime(c.nextCheck, a.slowAt)
			}
			if p.ProgressTimeout > 0 {
				a.stall = &stall{timeout: p.ProgressTimeout, last: now}
				c.nextCheck = minTime(c.nextCheck, now.Add(p.ProgressTimeout))
			}
			s.starting = append(s.starting, a)
		}
	}
	if c.running > 0 {
		r.held.running += c.running
		r.queues.taken += c.running
		r.queues.use(q, s.i, c.running)
		r.watch.wakeAt(c.nextCheck)
	}
}

// failBroken is the handler of a task whose record could not be read.
func failBroken(_ context.Context, t *task.Task) ([]byte, error) {
	return nil, task.BadPayload(t.Broken)
}

// lose cancels the running attempts of a claim whose lease has ended. The caller holds
// the mutex.
func (r *Replica) lose(c *claim, refused bool, now time.Time) {
	c.lost, c.refused = true, refused
	delete(r.held.live, c.fence)
	if c.running > 0 {
		r.held.lost[c] = struct{}{}
	}
	for i := range c.attempts {
		if a := c.current(i); !a.returned && !a.abandoned {
			a.endLease()
			r.stop(a, task.ErrLeaseLost, now)
			r.hooks.leaseLost(a.task)
		}
	}
}

// stopAttempts cancels the attempts for which a stop was requested, and those that a report
// from outside has ended, if they run here.
// The caller holds the mutex.
func (r *Replica) stopAttempts(stops []task.Attempt, now time.Time) {
	for _, s := range stops {
		c := r.held.live[s.Fence]
		if c == nil {
			continue
		}
		for i := range c.attempts {
			if a := c.current(i); a.task.ID == s.ID {
				cause := task.ErrStopped
				if s.Reported {
					cause = task.ErrReported
				}
				r.stop(a, cause, now)
				break
			}
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// args returns the log attributes that name the claim.
func (c *claim) args() []any {
	return []any{"queue", c.q.name, "fence", c.fence, "tasks", len(c.attempts)}
}
