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

// sequence is one of the two sequences of exchanges of a replica, so that the store works
// while the replica decodes. One exchange of a sequence is in flight at a time. What
// handlers finish meanwhile travels with the next, so batches grow with the load and a
// lone report is not delayed. The attempts of a claim are reported in the sequence that
// made it.
type sequence struct {
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

func newSequence(r *Replica, i int) *sequence {
	return &sequence{r: r, i: i, number: 1, work: make(chan struct{}, 1)}
}

// run makes the exchanges of the sequence until ctx is done.
func (s *sequence) run(ctx context.Context) {
	t := retry{outage: s.r.outages, op: "exchange"}
	defer t.forget()
	timer := time.NewTimer(0)
	defer timer.Stop()
	forgotten := false // the last exchange found that the pool does not know the replica
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.work:
			runtime.Gosched()
		case <-timer.C:
		}
		for {
			more, err := s.trip(ctx)
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
		timer.Reset(s.r.untilDue(time.Now()))
	}
}

// trip makes one exchange if there is a reason for it, and reports whether there may
// be one for another.
func (s *sequence) trip(ctx context.Context) (more bool, err error) {
	r := s.r
	r.member.ensure(ctx)
	if !s.load(time.Now()) {
		return false, nil
	}
	callCtx, cancel := context.WithTimeout(ctx, r.callTimeout)
	defer cancel()
	sent := time.Now()
	got, err := r.store.Exchange(callCtx, s.x)
	forgotten := errors.Is(err, task.ErrNotJoined)
	if err != nil && !forgotten {
		return true, err
	}
	if len(got.Verdicts) != len(s.x.Reports) || !forgotten && len(got.Short) != len(s.x.Claims) {
		return true, fmt.Errorf("the store answered %d of %d reports and %d of %d claims",
			len(got.Verdicts), len(s.x.Reports), len(got.Short), len(s.x.Claims))
	}
	s.take(&got, sent)
	if forgotten {
		r.forgotten(s.x.Replica)
	}
	s.start()
	return true, err
}

// load prepares the next exchange and reports whether it is worth a call. One without
// an answer is repeated unchanged.
func (s *sequence) load(now time.Time) bool {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.again = s.pending; s.again {
		return true
	}
	x := &s.x
	*x = task.Exchange{
		Replica:  r.ID(),
		Sequence: s.i + 1,
		Call:     s.number,
		Lease:    r.cfg.Lease,
		Grace:    r.cfg.StopGrace + reportSlack,
		Reports:  x.Reports[:0],
		Claims:   x.Claims[:0],
		Busy:     x.Busy[:0],
		Draining: r.phase != serving,
	}
	s.loadReports()
	if r.phase == serving {
		if at := r.queues.due; !at.IsZero() && !now.Before(at) {
			s.due, r.queues.due = true, time.Time{}
		}
		x.Idle = s.loadClaims() < r.queues.open
	}
	busy := r.queues.fresh > 0 && !now.Before(r.queues.nameAt)
	if s.due || busy || len(x.Reports) > 0 || len(x.Claims) > 0 {
		r.queues.nameBusy(x, now)
		s.pending, s.due = true, false
	} else if r.phase != serving {
		wake(r.drain.changed)
	}
	return s.pending
}

// loadReports moves reports into the exchange, as many as it may carry.
func (s *sequence) loadReports() {
	size := 0
	for _, a := range s.reports {
		size += len(a.rep.Result) + len(a.rep.Error) + len(a.rep.Log)
		if len(s.sent) == task.MaxReports || len(s.sent) > 0 && size > task.MaxReportSize {
			break
		}
		s.sent = append(s.sent, a)
		s.x.Reports = append(s.x.Reports, a.rep)
		a.rep = task.Report{}
		a.claim.sending++
	}
	s.reports = slices.Delete(s.reports, 0, len(s.sent))
	for i, a := range s.sent {
		s.x.Reports[i].Last = a.claim.sending == a.claim.open
	}
	for _, a := range s.sent {
		a.claim.sending = 0
	}
}

// loadClaims adds claims to the exchange, as many as it may carry. It returns how many
// of their queues have other free slots.
func (s *sequence) loadClaims() (open int) {
	room, seen := task.MaxClaim, 0
	for _, q := range s.asks {
		if room == 0 || len(s.asked) == task.MaxQueues {
			break
		}
		seen++
		q.wants[s.i] = false
		n := min(q.free[s.i], room)
		if n <= 0 {
			continue
		}
		s.r.queues.use(q, s.i, n)
		q.asked[s.i] = n
		room -= n
		s.asked = append(s.asked, q)
		s.x.Claims = append(s.x.Claims, task.Claim{Queue: q.name, N: n})
		if q.hasFree() {
			open++
		}
	}
	s.asks = slices.Delete(s.asks, 0, seen)
	return open
}

// take acts on the answer to the exchange that was sent at sent.
func (s *sequence) take(got *task.Exchanged, sent time.Time) {
	r, now := s.r, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	current := s.x.Replica == r.ID() // or the pool has forgotten the replica meanwhile
	if current {
		s.number++
	}
	// The answer to a repeated call does not hold the ready queues: another does.
	s.due, s.pending = s.due || s.again, false
	for i, a := range s.sent {
		if v := got.Verdicts[i]; r.held.acknowledge(a, v) {
			s.refused = append(s.refused, refusal{a, v})
		}
	}
	for _, q := range s.asked {
		r.queues.use(q, s.i, -q.asked[s.i])
		q.asked[s.i] = 0
	}
	for i := range got.Claimed {
		s.accept(&got.Claimed[i], got.Now, sent, now, current)
	}
	if current {
		for i, q := range s.asked {
			s.answered(q, i < len(got.Short) && got.Short[i])
		}
		for _, name := range got.Ready {
			if q := r.queues.byName[name]; q != nil {
				r.ready(q)
			}
		}
		soonest := time.Millisecond
		if !s.x.Idle && len(s.x.Claims) == 0 {
			soonest = minDue // it has no free slot, but may be the only replica that knows
		}
		r.queues.setDue(got.Next, soonest, sent, now)
		r.stopAttempts(got.Stops, now)
		if got.Drain {
			r.Drain()
		}
	}
	clear(s.x.Reports)
	clear(s.sent)
	s.sent, s.asked = s.sent[:0], s.asked[:0]
}

// answered decides whether a queue that was claimed from is to be asked again.
func (s *sequence) answered(q *queue, short bool) {
	r := s.r
	switch {
	case q.again:
		q.again = false
		r.ready(q)
	case !short:
		for i, other := range r.sequences {
			if q.free[i] > 0 {
				other.ask(q)
			}
		}
	}
}

// start runs the handlers of the tasks that the answer brought, and logs the rest of it.
func (s *sequence) start() {
	for _, a := range s.starts {
		go a.run()
	}
	if len(s.starts) > 0 {
		// Let the short ones return first: their reports share the next exchange.
		runtime.Gosched()
	}
	clear(s.starts)
	s.starts = s.starts[:0]
	for _, t := range s.unknown {
		s.r.unknown.log(s.r.log(), t)
	}
	clear(s.unknown)
	s.unknown = s.unknown[:0]
	for _, v := range s.refused {
		s.r.log().Warn("a report came too late: the attempt is no longer this replica's", append(v.args(), "verdict", v.verdict)...)
	}
	clear(s.refused)
	s.refused = s.refused[:0]
}

// The methods below are for all goroutines. The caller holds the replica's mutex.

// send queues the report of an attempt.
func (s *sequence) send(a *attempt, rep task.Report) {
	a.rep = rep
	s.reports = append(s.reports, a)
	s.wake()
}

// ask lets the next exchange claim from the queue, as far as it has free slots then.
func (s *sequence) ask(q *queue) {
	if q.wants[s.i] || s.r.phase != serving {
		return
	}
	q.wants[s.i] = true
	s.asks = append(s.asks, q)
	s.wake()
}

// call lets the sequence make an exchange even if there is nothing to report or claim.
func (s *sequence) call() {
	s.due = true
	s.wake()
}

func (s *sequence) wake() { wake(s.work) }

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

// reset begins the sequence anew for a replica that the pool has forgotten.
func (s *sequence) reset() {
	for _, a := range s.reports {
		s.r.held.acknowledge(a, task.LeaseLost)
	}
	for _, q := range s.asks {
		q.wants[s.i] = false
	}
	s.reports, s.asks, s.number = nil, nil, 1
}
