package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// reportSlack is how far past the grace a lease may reach, so that the report of
// a handler that was given up arrives before the store gives it up by itself.
const reportSlack = 2 * time.Second

// claim is a batch of tasks that one exchange brought from one queue, under one fence
// and one lease. Its fields are guarded by the replica's mutex.
type claim struct {
	sequence *sequence
	q        *queue
	fence    int64
	attempts []attempt // one per task

	leaseEnd time.Time // when the store may hand the tasks to another replica
	bound    time.Time // when the attempts time out; zero for never
	next     time.Time // when the watch has to check it, at the earliest

	open    int  // attempts whose end the store has not acknowledged
	sending int  // those of them in the exchange that is being loaded
	running int  // handlers that run and have not been given up
	recount bool // the store wants to know which attempts are open
	lost    bool // the lease ended: nothing these attempts report counts any more
	refused bool // … because the store said so
}

// left returns how long the attempts may still take, negative if their bound has
// passed.
func (c *claim) left(now time.Time) time.Duration {
	if c.bound.IsZero() {
		return task.Forever
	}
	return c.bound.Sub(now)
}

// openIDs returns the ids of the attempts whose end the store has not acknowledged.
func (c *claim) openIDs() (ids []string) {
	for i := range c.attempts {
		if a := &c.attempts[i]; !a.acknowledged {
			ids = append(ids, a.task.ID)
		}
	}
	return ids
}

// holdings are the claims of a replica. The fields are guarded by its mutex.
type holdings struct {
	live map[int64]*claim    // by fence: those whose leases are renewed
	lost map[*claim]struct{} // those whose lease has ended while handlers of them run

	running int   // handlers that run and have not been given up
	stuck   int   // handlers that have been given up and have not returned
	dropped int64 // outcomes that were refused
}

// acknowledge notes the verdict on the report of an attempt. It reports whether that is
// a refusal which has to be logged: an attempt that was given up has been.
func (h *holdings) acknowledge(a *attempt, v task.Verdict) (refused bool) {
	c := a.claim
	a.acknowledged = true
	c.open--
	if c.open == 0 && h.live[c.fence] == c {
		delete(h.live, c.fence)
	}
	refused = (v == task.LeaseLost || v == task.Gone) && a.handle != nil && !a.dropped && !a.abandoned
	if refused {
		h.dropped++
	}
	return refused
}

// handlerEnded counts a handler that has returned or been given up.
func (h *holdings) handlerEnded(c *claim) {
	h.running--
	c.running--
	if c.running == 0 {
		delete(h.lost, c)
	}
}

// margin is how long before its lease ends a claim is given up, so that its handlers
// have stopped before another replica can start the tasks.
func (r *Replica) margin() time.Duration {
	return max(r.cfg.Lease/10, min(r.cfg.Lease/4, time.Second))
}

// accept takes in a claim of the answer to an exchange: its tasks are started, or given
// back if that would be too late. current is false if the pool has forgotten the replica
// since the claim was made. The caller holds the mutex.
func (s *sequence) accept(got *task.Claimed, storeNow, sent, now time.Time, current bool) {
	r := s.r
	q, ours := r.queues.byName[got.Queue]
	if !ours {
		q = &queue{name: got.Queue}
	}
	c := &claim{sequence: s, q: q, fence: got.Fence, open: len(got.Tasks)}
	// The lease began at the claim by the store's clock, which was long ago if this is
	// a repeated answer. Counting from before the request was sent errs on the early
	// side.
	c.leaseEnd = sent.Add(r.cfg.Lease)
	if age := storeNow.Sub(got.Started); !got.Started.IsZero() && age > 0 {
		c.leaseEnd = c.leaseEnd.Add(-age)
	}
	c.next = c.leaseEnd.Add(-r.margin())
	late := !current || !ours || r.phase != serving || !now.Before(c.next)
	if got.Left != task.Forever {
		c.bound = sent.Add(got.Left)
		late = late || !now.Before(c.bound)
		c.next = earlier(c.next, c.bound)
	}
	if current && c.open > 0 {
		r.held.live[c.fence] = c
	}

	c.attempts = make([]attempt, len(got.Tasks))
	for i, t := range got.Tasks {
		a := &c.attempts[i]
		a.claim, a.task, a.ctx.base = c, t, r.base
		t.Fence, t.TimeLeft = got.Fence, got.Left
		t.Bind(a)
		h, known := r.handlers[t.Kind]
		if t.Broken != nil {
			h, known = refuse, true
		}
		switch {
		case late:
			a.giveBack(task.CodeReleased, 0)
		case !known:
			a.giveBack(task.CodeNoHandler, elsewhere())
			s.unknown = append(s.unknown, t)
		default:
			a.handle = h
			c.running++
			if soft := r.cfg.Policies[t.Kind].SoftTimeout; soft > 0 {
				a.slowAt = now.Add(soft)
				c.next = earlier(c.next, a.slowAt)
			}
			s.starts = append(s.starts, a)
		}
	}
	if c.running > 0 {
		r.held.running += c.running
		r.queues.taken += c.running
		r.queues.use(q, s.i, c.running)
		r.watch.wakeAt(c.next)
	}
}

// refuse stands in for the handler of a task whose record could not be read.
func refuse(_ context.Context, t *task.Task) ([]byte, error) {
	return nil, task.BadPayload(t.Broken)
}

// lose cancels what runs of a claim whose lease has ended. The caller holds the mutex.
func (r *Replica) lose(c *claim, refused bool, now time.Time) {
	c.lost, c.refused = true, refused
	delete(r.held.live, c.fence)
	if c.running > 0 {
		r.held.lost[c] = struct{}{}
	}
	for i := range c.attempts {
		if a := &c.attempts[i]; !a.returned && !a.abandoned {
			a.pass()
			r.stop(a, task.ErrLeaseLost, now)
		}
	}
}

// stopAttempts cancels the attempts that were asked to stop, as far as they run here.
// The caller holds the mutex.
func (r *Replica) stopAttempts(stops []task.Attempt, now time.Time) {
	for _, s := range stops {
		c := r.held.live[s.Fence]
		if c == nil {
			continue
		}
		for i := range c.attempts {
			if a := &c.attempts[i]; a.task.ID == s.ID {
				r.stop(a, task.ErrStopped, now)
				break
			}
		}
	}
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// args names the claim in the log.
func (c *claim) args() []any {
	return []any{"queue", c.q.name, "fence", c.fence, "tasks", len(c.attempts)}
}
