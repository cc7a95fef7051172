package worker

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// reportSlack is how far past the grace a lease may reach, so that the report of
// a handler that was given up arrives before the store gives it up by itself.
const reportSlack = 2 * time.Second

// batch is what one round trip to the store carries.
type batch struct {
	reports []Report
	senders []*attempt
	claims  []Claim
	asked   []*queue
	starts  []*attempt // scratch for the answer
}

// pump is the only one that exchanges with the store. What handlers finish while
// a round trip is under way travels with the next, so batches grow with the load
// and a lone report is not delayed.
func (r *Replica) pump(ctx context.Context) {
	var b batch
	t := retry{outage: r.outages, op: "exchange"}
	timer := time.NewTimer(0) // an empty replica claims at once
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.work:
		case <-timer.C:
		}
		// Let the handlers that are about to return do so: they share the trip.
		runtime.Gosched()
		for r.load(&b, time.Now()) {
			if err := r.exchange(ctx, &b); err != nil {
				r.missed(&b)
				if ctx.Err() != nil || !sleep(ctx, t.failed(err)) {
					return
				}
				continue
			}
			t.ok()
			runtime.Gosched()
		}
		if d, ok := r.untilDue(time.Now()); ok {
			timer.Reset(d)
		}
	}
}

// load adds what there is to say to the batch, which still holds the reports of
// a failed exchange, and reports whether it is worth a round trip.
func (r *Replica) load(b *batch, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(b.reports) == 0 {
		b.reports, r.outbox = r.outbox, b.reports
		b.senders, r.senders = r.senders, b.senders
	} else {
		b.reports = append(b.reports, r.outbox...)
		b.senders = append(b.senders, r.senders...)
		clear(r.outbox)
		clear(r.senders)
		r.outbox, r.senders = r.outbox[:0], r.senders[:0]
	}

	b.claims, b.asked = b.claims[:0], b.asked[:0]
	for _, q := range r.queues {
		n := q.free()
		due := !q.due.IsZero() && !now.Before(q.due)
		if due {
			q.due = time.Time{}
		}
		switch {
		case r.phase != serving:
			if !q.unsure {
				q.settle()
				continue
			}
			n = 0 // only what a lost reply carried, to give it back
		case !q.unsure && (n == 0 || q.idle && !q.want && !due):
			q.settle()
			continue
		}
		b.claims = append(b.claims, Claim{
			Replica: r.id,
			Queue:   q.name,
			N:       n,
			Lease:   r.cfg.Lease,
			Grace:   r.cfg.StopGrace + reportSlack,
			Call:    q.call,
		})
		b.asked = append(b.asked, q)
		q.want = q.want && n == 0
	}
	r.flight = len(b.claims) > 0
	r.sending = len(b.reports) > 0 || len(b.claims) > 0
	if !r.sending && r.phase != serving {
		poke(r.settled)
	}
	return r.sending
}

// exchange makes one round trip and acts on the answer.
func (r *Replica) exchange(ctx context.Context, b *batch) error {
	callCtx, cancel := context.WithTimeout(ctx, r.callTimeout)
	defer cancel()
	sent := time.Now()
	verdicts, claimed, err := r.store.Exchange(callCtx, b.reports, b.claims)
	if err != nil {
		return err
	}
	if len(verdicts) != len(b.reports) || len(claimed) != len(b.claims) {
		return fmt.Errorf("the store answered %d of %d reports and %d of %d claims",
			len(verdicts), len(b.reports), len(claimed), len(b.claims))
	}

	refused := r.settleReports(b, verdicts)
	now := time.Now()
	r.mu.Lock()
	retune := false
	for i, q := range b.asked {
		r.receive(b, q, b.claims[i].N, &claimed[i], sent, now)
		retune = retune || q.idle && !q.listened
	}
	if retune && r.listening {
		r.ringSelf(ctx)
	}
	r.flight = false
	if r.lateBell {
		r.lateBell, r.renewNow = false, true
		poke(r.renewing)
	}
	r.mu.Unlock()

	for _, a := range b.starts {
		go a.run()
	}
	clear(b.starts)
	b.starts = b.starts[:0]
	for _, v := range refused {
		r.log.Warn("a report came too late: the attempt is no longer this replica's", "task", v.ID, "attempt", v.Fence, "verdict", v.verdict)
	}
	return nil
}

type refusal struct {
	Report
	verdict Verdict
}

// settleReports forgets the attempts whose reports have arrived and returns the
// reports that the store refused.
func (r *Replica) settleReports(b *batch, verdicts []Verdict) (refused []refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range b.senders {
		if a != nil {
			delete(r.held, a)
		}
		if v := verdicts[i]; v != LeaseLost && v != Gone {
			continue
		}
		if a != nil && !a.lost && !a.abandoned { // those have been counted
			refused = append(refused, refusal{b.reports[i], verdicts[i]})
			r.dropped++
		}
	}
	clear(b.reports)
	clear(b.senders)
	b.reports, b.senders = b.reports[:0], b.senders[:0]
	return refused
}

// receive takes in the answer to one claim for n tasks. The caller holds the
// mutex.
func (r *Replica) receive(b *batch, q *queue, n int, c *Claimed, sent, now time.Time) {
	repeated := q.unsure
	q.call++
	q.unsure = false
	if n > 0 {
		// A repeated answer was measured by the slots that were free back then.
		q.idle = len(c.Tasks) < n && !repeated
		q.due = time.Time{}
		if c.Next > 0 {
			q.due = now.Add(max(c.Next, time.Millisecond))
		}
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
	switch {
	case r.phase != serving, !now.Before(leaseEnd.Add(-r.margin())):
		r.send(nil, release(t, CodeReleased, 0))
		return
	case !known:
		r.send(nil, release(t, CodeNoHandler, elsewhere()))
		return
	}

	a := &attempt{r: r, q: q, task: t, handle: h, leaseEnd: leaseEnd}
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

// missed keeps what a failed exchange carried for the next one.
func (r *Replica) missed(b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range b.asked {
		q.unsure, q.want = true, true
		q.settle()
	}
}

// send queues a report. The caller holds the mutex.
func (r *Replica) send(a *attempt, rep Report) {
	r.outbox = append(r.outbox, rep)
	r.senders = append(r.senders, a)
	poke(r.work)
}

// finish takes in what a handler returned.
func (r *Replica) finish(a *attempt, result []byte, err error) {
	rep := a.report(result, err)

	r.mu.Lock()
	a.returned = true
	a.q.taken--
	a.q.want = true // the slot may be claimed in the round trip that reports it
	dropped := a.lost || a.abandoned
	if dropped {
		r.dropped++
	}
	switch {
	case a.abandoned:
		r.stuck--
		poke(r.work)
	case a.lost:
		// What it did no longer counts. Where nobody else has taken the task yet,
		// giving it back saves it the wait for the end of its lease.
		delete(r.held, a)
		r.active--
		if a.refused {
			poke(r.work)
		} else {
			r.send(a, release(a.task, CodeReleased, 0))
		}
	default:
		r.active--
		r.send(a, rep)
	}
	if r.active == 0 && r.phase != serving {
		poke(r.settled)
	}
	r.mu.Unlock()

	switch {
	case dropped:
		r.log.Warn("a handler returned after its attempt had been given up; its outcome is dropped", a.args()...)
	case rep.Op == Fail:
		r.log.Info("attempt failed", append(a.args(), "code", rep.Code, "err", rep.Error)...)
	}
}

// untilDue is how long the earliest scheduled task is away, of queues with a
// slot for it.
func (r *Replica) untilDue(now time.Time) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var first time.Time
	for _, q := range r.queues {
		if !q.due.IsZero() && q.free() > 0 && (first.IsZero() || q.due.Before(first)) {
			first = q.due
		}
	}
	return first.Sub(now), !first.IsZero() && r.phase == serving
}

// args names the attempt in the log.
func (a *attempt) args() []any {
	return []any{"task", a.task.ID, "kind", a.task.Kind, "queue", a.q.name, "attempt", a.task.Attempt}
}
