package worker

import (
	"context"
	"time"
)

// reportSlack is how far past the grace a lease may reach, so that the report of
// a handler that was given up arrives before the store gives it up by itself.
const reportSlack = 2 * time.Second

// receive takes in the answer to one claim for n tasks. The caller holds the
// mutex.
func (r *Replica) receive(b *batch, q *queue, n int, c *Claimed, sent, now time.Time) {
	repeated := q.unsure
	q.call++
	q.unsure = false
	soonest := time.Millisecond
	if n > 0 {
		// A repeated answer was measured by the slots that were free back then.
		q.idle = len(c.Tasks) < n && !repeated
	} else {
		soonest = minDue
	}
	q.due = time.Time{}
	if c.Next > 0 {
		q.due = now.Add(max(c.Next, soonest))
	}
	for _, t := range c.Tasks {
		r.accept(b, q, t, c.Now, sent, now)
	}
	q.settle()
}

// accept starts a claimed task, or gives it back. The caller holds the mutex.
func (r *Replica) accept(b *batch, q *queue, t *Task, storeNow, sent, now time.Time) {
	// The lease began at the claim by the store's clock, which was long ago where
	// this is the answer to a repeated one. Counting from before the request was
	// sent errs on the early side.
	leaseEnd := sent.Add(r.cfg.Lease)
	if age := storeNow.Sub(t.StartedAt); !t.StartedAt.IsZero() && age > 0 {
		leaseEnd = leaseEnd.Add(-age)
	}
	h, known := r.handlers[t.Kind]
	if t.Broken != nil {
		h, known = refuse, true
	}
	switch {
	case r.phase != serving, !now.Before(leaseEnd.Add(-r.margin())):
		r.send(nil, release(t, CodeReleased, 0))
		return
	case !known:
		r.send(nil, release(t, CodeNoHandler, elsewhere()))
		b.unknown = append(b.unknown, t)
		return
	}

	a := &attempt{r: r, q: q, task: t, handle: h, leaseEnd: leaseEnd, passed: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancelCause(r.base)
	if t.TimeLeft != Forever {
		a.timeoutAt = now.Add(t.TimeLeft)
	}
	if soft := r.cfg.Policies[t.Kind].SoftTimeout; soft > 0 {
		a.slowAt = now.Add(soft)
	}
	t.attempt = a
	q.taken++
	r.active++
	r.held[a] = struct{}{}
	r.watchUntil(r.nextCheck(a))
	b.starts = append(b.starts, a)
}

// refuse stands in for the handler of a task whose record could not be read.
func refuse(_ context.Context, t *Task) ([]byte, error) {
	return nil, BadPayload(t.Broken)
}

// untilDue is how long the earliest scheduled task is away.
func (r *Replica) untilDue(now time.Time) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var first time.Time
	for _, q := range r.queues {
		if !q.due.IsZero() && (first.IsZero() || q.due.Before(first)) {
			first = q.due
		}
	}
	return first.Sub(now), !first.IsZero() && r.phase == serving
}
