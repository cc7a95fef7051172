package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// batch is what one round trip to the store carries.
type batch struct {
	reports []Report
	senders []*attempt
	claims  []Claim
	asked   []*queue
	starts  []*attempt // scratch for the answer
	unknown []*Task    // … and what it holds of kinds without a handler
	resent  bool       // the reports have been sent before, without an answer
}

// pump is the only one that exchanges with the store. What handlers finish while
// a round trip is under way travels with the next, so batches grow with the load
// and a lone report is not delayed.
func (r *Replica) pump(ctx context.Context) {
	var b batch
	t := retry{outage: r.outages, op: "exchange"}
	defer t.forget()
	rejoined := false
	timer := time.NewTimer(0) // an empty replica claims at once
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.work:
		case <-timer.C:
		}
		for r.load(&b, time.Now()) {
			joins := r.joins.Load()
			err := r.exchange(ctx, &b)
			if err == nil {
				rejoined = false
				t.ok()
				continue
			}
			r.missed(&b)
			// To be forgotten again at once is an outage like any other.
			if errors.Is(err, ErrNotJoined) && !rejoined {
				if err = r.rejoin(ctx, joins); err == nil {
					rejoined = true
					continue
				}
			}
			rejoined = false
			if ctx.Err() != nil || !sleep(ctx, t.failed(err)) {
				return
			}
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
		case !q.unsure && !due && (n == 0 || q.idle && !q.want):
			q.settle()
			continue
		}
		// A replica without a free slot asks for none when a task becomes due: it
		// may be the only one that knows, and the claim wakes another.
		b.claims = append(b.claims, Claim{
			Replica: r.id,
			Queue:   q.name,
			N:       min(n, MaxClaim),
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
	if len(b.starts) > 0 {
		// Let the short ones return first: their reports share the next trip.
		runtime.Gosched()
	}
	clear(b.starts)
	b.starts = b.starts[:0]
	r.tellUnknown(b.unknown, now)
	clear(b.unknown)
	b.unknown = b.unknown[:0]
	for _, v := range refused {
		r.log.Warn("a report came too late: the attempt is no longer this replica's", append(v.args(), "verdict", v.verdict)...)
	}
	return nil
}

type refusal struct {
	*attempt
	verdict Verdict
}

// settleReports forgets the attempts whose reports have arrived and returns the
// reports that the store refused.
func (r *Replica) settleReports(b *batch, verdicts []Verdict) (refused []refusal) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range b.senders {
		if a != nil {
			delete(r.held, a)
		}
		// Gone is also what a report is told that arrived the first time, if its
		// task left with it: the call may have been repeated here or by the store's
		// driver. While its lease lasts, nobody else ends an attempt.
		if v := verdicts[i]; v != LeaseLost && (v != Gone || b.resent || a != nil && now.Before(a.leaseEnd)) {
			continue
		}
		if a != nil && !a.lost && !a.abandoned { // those have been counted
			refused = append(refused, refusal{a, verdicts[i]})
			r.dropped++
		}
	}
	clear(b.reports)
	clear(b.senders)
	b.reports, b.senders, b.resent = b.reports[:0], b.senders[:0], false
	return refused
}

// missed keeps what a failed exchange carried for the next one.
func (r *Replica) missed(b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.resent = len(b.reports) > 0
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
