package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// lane is one of the two sequences of exchanges of a replica, so that the store works
// while the replica decodes. One exchange of a lane is in flight at a time. What
// handlers finish meanwhile travels with the next, so batches grow with the load and a
// lone report is not delayed. The attempts of a claim are reported in the lane that
// made it.
type lane struct {
	r    *Replica
	i    int           // 0 or 1
	work chan struct{} // wakes it

	// Used by its goroutine alone.
	x       task.Exchange // in flight, or the last; its slices are used again
	sent    []*attempt    // those that x reports
	asked   []*queue      // those that x claims from
	starts  []*attempt    // of the answer
	refused []refusal     // of the answer
	again   bool          // x is repeated
	unknown []*task.Task  // of the answer: tasks of kinds without a handler

	// Guarded by the replica's mutex.
	number  int64      // of the next call
	reports []*attempt // ended attempts to report, oldest first
	asks    []*queue   // queues to claim from, likewise
	due     bool       // an exchange is due, even an empty one
	pending bool       // x has not been answered
}

// refusal is a report that the store refused.
type refusal struct {
	*attempt
	verdict task.Verdict
}

func newLane(r *Replica, i int) *lane {
	return &lane{r: r, i: i, number: 1, work: make(chan struct{}, 1)}
}

// run makes the exchanges of the lane until ctx is done.
func (l *lane) run(ctx context.Context) {
	t := retry{outage: l.r.outages, op: "exchange"}
	defer t.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	forgotten := false // the last exchange found that the pool does not know the replica
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.work:
			runtime.Gosched()
		case <-timer.C:
		}
		for {
			more, err := l.trip(ctx)
			if !more {
				break
			}
			switch {
			case err == nil:
				t.ok()
				forgotten = false
			case errors.Is(err, task.ErrNotJoined) && !forgotten:
				forgotten = true // once is no outage: it joins again at once
			case ctx.Err() != nil || !sleep(ctx, t.failed(err)):
				return
			}
		}
		timer.Reset(l.r.untilDue(time.Now()))
	}
}

// trip makes one exchange if there is a reason for it, and reports whether there may
// be one for another.
func (l *lane) trip(ctx context.Context) (more bool, err error) {
	r := l.r
	r.member.ensure(ctx)
	if !l.load(time.Now()) {
		return false, nil
	}
	callCtx, cancel := context.WithTimeout(ctx, r.callTimeout)
	defer cancel()
	sent := time.Now()
	got, err := r.store.Exchange(callCtx, l.x)
	forgotten := errors.Is(err, task.ErrNotJoined)
	if err != nil && !forgotten {
		return true, err
	}
	if len(got.Verdicts) != len(l.x.Reports) || !forgotten && len(got.Short) != len(l.x.Claims) {
		return true, fmt.Errorf("the store answered %d of %d reports and %d of %d claims",
			len(got.Verdicts), len(l.x.Reports), len(got.Short), len(l.x.Claims))
	}
	l.take(&got, sent)
	if forgotten {
		r.forgotten(l.x.Replica)
	}
	l.start()
	return true, err
}

// load prepares the next exchange and reports whether it is worth a call. One without
// an answer is repeated unchanged.
func (l *lane) load(now time.Time) bool {
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.again = l.pending; l.again {
		return true
	}
	x := &l.x
	*x = task.Exchange{
		Replica:  r.ID(),
		Lane:     l.i + 1,
		Call:     l.number,
		Lease:    r.cfg.Lease,
		Grace:    r.cfg.StopGrace + reportSlack,
		Reports:  x.Reports[:0],
		Claims:   x.Claims[:0],
		Busy:     x.Busy[:0],
		Draining: r.phase != serving,
	}
	l.loadReports()
	if r.phase == serving {
		if at := r.queues.due; !at.IsZero() && !now.Before(at) {
			l.due, r.queues.due = true, time.Time{}
		}
		x.Idle = l.loadClaims() < r.queues.open
	}
	busy := r.queues.fresh > 0 && !now.Before(r.queues.nameAt)
	if l.due || busy || len(x.Reports) > 0 || len(x.Claims) > 0 {
		r.queues.nameBusy(x, now)
		l.pending, l.due = true, false
	} else if r.phase != serving {
		poke(r.drain.changed)
	}
	return l.pending
}

// loadReports moves reports into the exchange, as many as it may carry.
func (l *lane) loadReports() {
	size := 0
	for _, a := range l.reports {
		size += len(a.rep.Result) + len(a.rep.Error) + len(a.rep.Log)
		if len(l.sent) == task.MaxReports || len(l.sent) > 0 && size > task.MaxReportSize {
			break
		}
		l.sent = append(l.sent, a)
		l.x.Reports = append(l.x.Reports, a.rep)
		a.rep = task.Report{}
		a.claim.sending++
	}
	l.reports = slices.Delete(l.reports, 0, len(l.sent))
	for i, a := range l.sent {
		l.x.Reports[i].Last = a.claim.sending == a.claim.open
	}
	for _, a := range l.sent {
		a.claim.sending = 0
	}
}

// loadClaims adds claims to the exchange, as many as it may carry. It returns how many
// of their queues have other free slots.
func (l *lane) loadClaims() (open int) {
	room, seen := task.MaxClaim, 0
	for _, q := range l.asks {
		if room == 0 || len(l.asked) == task.MaxQueues {
			break
		}
		seen++
		q.wants[l.i] = false
		n := min(q.free[l.i], room)
		if n <= 0 {
			continue
		}
		l.r.queues.use(q, l.i, n)
		q.asked[l.i] = n
		room -= n
		l.asked = append(l.asked, q)
		l.x.Claims = append(l.x.Claims, task.Claim{Queue: q.name, N: n})
		if q.hasFree() {
			open++
		}
	}
	l.asks = slices.Delete(l.asks, 0, seen)
	return open
}

// take acts on the answer to the exchange that was sent at sent.
func (l *lane) take(got *task.Exchanged, sent time.Time) {
	r, now := l.r, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	current := l.x.Replica == r.ID() // or the pool has forgotten the replica meanwhile
	if current {
		l.number++
	}
	// The answer to a repeated call does not hold the ready queues: another does.
	l.due, l.pending = l.due || l.again, false
	for i, a := range l.sent {
		if v := got.Verdicts[i]; r.held.acknowledge(a, v) {
			l.refused = append(l.refused, refusal{a, v})
		}
	}
	for _, q := range l.asked {
		r.queues.use(q, l.i, -q.asked[l.i])
		q.asked[l.i] = 0
	}
	for i := range got.Claimed {
		l.accept(&got.Claimed[i], got.Now, sent, now, current)
	}
	if current {
		for i, q := range l.asked {
			l.answered(q, i < len(got.Short) && got.Short[i])
		}
		for _, name := range got.Ready {
			if q := r.queues.byName[name]; q != nil {
				r.ready(q)
			}
		}
		soonest := time.Millisecond
		if !l.x.Idle && len(l.x.Claims) == 0 {
			soonest = minDue // it has no free slot, but may be the only replica that knows
		}
		r.queues.setDue(got.Next, soonest, sent, now)
		r.stopAttempts(got.Stops, now)
		if got.Drain {
			r.Drain()
		}
	}
	clear(l.x.Reports)
	clear(l.sent)
	l.sent, l.asked = l.sent[:0], l.asked[:0]
}

// answered decides whether a queue that was claimed from is to be asked again.
func (l *lane) answered(q *queue, short bool) {
	r := l.r
	switch {
	case q.again:
		q.again = false
		r.ready(q)
	case !short:
		for i, other := range r.lanes {
			if q.free[i] > 0 {
				other.ask(q)
			}
		}
	}
}

// start runs the handlers of the tasks that the answer brought, and logs the rest of it.
func (l *lane) start() {
	for _, a := range l.starts {
		go a.run()
	}
	if len(l.starts) > 0 {
		// Let the short ones return first: their reports share the next exchange.
		runtime.Gosched()
	}
	clear(l.starts)
	l.starts = l.starts[:0]
	for _, t := range l.unknown {
		l.r.unknown.log(l.r.log(), t)
	}
	clear(l.unknown)
	l.unknown = l.unknown[:0]
	for _, v := range l.refused {
		l.r.log().Warn("a report came too late: the attempt is no longer this replica's", append(v.args(), "verdict", v.verdict)...)
	}
	clear(l.refused)
	l.refused = l.refused[:0]
}

// The methods below are for all goroutines. The caller holds the replica's mutex.

// send queues the report of an attempt.
func (l *lane) send(a *attempt, rep task.Report) {
	a.rep = rep
	l.reports = append(l.reports, a)
	l.poke()
}

// ask lets the next exchange claim from the queue, as far as it has free slots then.
func (l *lane) ask(q *queue) {
	if q.wants[l.i] || l.r.phase != serving {
		return
	}
	q.wants[l.i] = true
	l.asks = append(l.asks, q)
	l.poke()
}

// call lets the lane make an exchange even if there is nothing to report or claim.
func (l *lane) call() {
	l.due = true
	l.poke()
}

func (l *lane) poke() { poke(l.work) }

// untilDue returns how long it is until the next exchange that nothing else causes.
func (r *Replica) untilDue(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := now.Add(idleWatch)
	if due := r.queues.due; r.phase == serving && !due.IsZero() && due.Before(next) {
		next = due
	}
	if r.queues.fresh > 0 && r.queues.nameAt.Before(next) {
		next = r.queues.nameAt
	}
	return next.Sub(now)
}

// reset begins the lane anew for a replica that the pool has forgotten.
func (l *lane) reset() {
	for _, a := range l.reports {
		l.r.held.acknowledge(a, task.LeaseLost)
	}
	for _, q := range l.asks {
		q.wants[l.i] = false
	}
	l.reports, l.asks, l.number = nil, nil, 1
}
