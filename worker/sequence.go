package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// sequence is one of the two request sequences of a replica: the store works while the
// replica decodes the answer of the other. A sequence has one exchange in flight.
// Attempts that end meanwhile are reported by the next one, so batches grow with the
// load and a single report is not delayed. The attempts of a claim are reported by the
// sequence that made it.
type sequence struct {
	r    *Replica
	i    int           // 0 or 1
	work chan struct{} // wakes the goroutine

	// Used only by the goroutine of the sequence.
	x        task.Exchange // the exchange in flight, or the last one; its slices are reused
	sent     []*attempt    // attempts that x reports
	claiming []*queue      // queues that x claims from
	starting []*attempt    // from the answer: attempts to start
	refused  []refusal     // from the answer: reports that the store refused
	repeated bool          // x is sent again
	unknown  []*task.Task  // from the answer: tasks of kinds without a handler

	// Guarded by the replica's mutex.
	number   int64      // call number of the next exchange
	reports  []*attempt // ended attempts to report, oldest first
	toClaim  []*queue   // queues to claim from, oldest first
	required bool       // an exchange is needed, even an empty one
	pending  bool       // x has no answer yet
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
	defer t.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	notJoined := false // the last exchange failed with ErrNotJoined
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.work:
			runtime.Gosched()
		case <-timer.C:
		}
		for {
			more, err := s.exchange(ctx)
			if !more {
				break
			}
			switch {
			case err == nil:
				if t.ok() {
					s.r.listener.recheck()
				}
				notJoined = false
			case errors.Is(err, task.ErrNotJoined) && !notJoined:
				notJoined = true // the first time is no outage: the replica joins again at once
			case ctx.Err() != nil || backoff.Sleep(ctx, t.failed(err)) != nil:
				return
			}
		}
		timer.Reset(s.r.untilNext(time.Now()))
	}
}

// exchange makes one exchange if there is a reason for it. It reports whether there may
// be a reason for another one.
func (s *sequence) exchange(ctx context.Context) (more bool, err error) {
	r := s.r
	r.member.ensure(ctx)
	if !s.prepare(time.Now()) {
		return false, nil
	}
	callCtx, cancel := context.WithTimeout(ctx, r.callTimeout)
	defer cancel()
	sent := time.Now()
	got, err := r.store.Exchange(callCtx, s.x)
	notJoined := errors.Is(err, task.ErrNotJoined)
	if err != nil && !notJoined {
		return true, err
	}
	if len(got.Verdicts) != len(s.x.Reports) || !notJoined && len(got.Short) != len(s.x.Claims) {
		return true, fmt.Errorf("the store answered %d of %d reports and %d of %d claims",
			len(got.Verdicts), len(s.x.Reports), len(got.Short), len(s.x.Claims))
	}
	s.apply(&got, sent)
	if notJoined {
		r.resetMembership(s.x.Replica)
	}
	s.startHandlers()
	return true, err
}

// prepare sets up the next exchange and reports whether it has to be made. An exchange
// without an answer is repeated unchanged.
func (s *sequence) prepare(now time.Time) bool {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.repeated = s.pending; s.repeated {
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
		Closed:   !r.claims(),
	}
	s.addReports()
	if at := r.queues.nextDue; r.phase == serving && !at.IsZero() && !now.Before(at) {
		s.required, r.queues.nextDue = true, time.Time{}
	}
	if r.claims() && (len(s.toClaim) == 0 || r.admission.current(now)) {
		x.Idle = s.addClaims()
	}
	busy := r.queues.unreported > 0 && !now.Before(r.queues.busyAt)
	if s.required || busy || len(x.Reports) > 0 || len(x.Claims) > 0 {
		r.queues.reportBusy(x, now)
		s.pending, s.required = true, false
	} else if r.phase != serving {
		wake(r.drain.changed)
	}
	return s.pending
}

// addReports moves as many reports into the exchange as it may contain.
func (s *sequence) addReports() {
	size := 0
	for _, a := range s.reports {
		size += len(a.rep.Result) + len(a.rep.Error) + len(a.rep.Log)
		if a.rep.Meta != nil {
			size += task.MaxMeta
		}
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
		s.x.Reports[i].Last = a.claim.sending == a.claim.unacknowledged
	}
	for _, a := range s.sent {
		a.claim.sending = 0
	}
}

// addClaims adds as many claims to the exchange as it may contain. It reports whether the
// answer has to list ready queues: other queues have free slots, or share those that are
// claimed for.
func (s *sequence) addClaims() (idle bool) {
	room, seen, withFree := task.MaxClaim, 0, 0
	var among []*queue // with the same slots
	for ; seen < len(s.toClaim) && room > 0 && len(s.claiming) < task.MaxQueues; seen++ {
		q := s.toClaim[seen]
		if !q.listed[s.i] {
			continue // shares slots with an earlier one
		}
		q.listed[s.i] = false
		if !q.shared() {
			room -= s.claim(q, min(q.free[s.i], room))
			continue
		}
		among = append(among[:0], q)
		for _, other := range s.toClaim[seen+1:] {
			if other.slots == q.slots && other.listed[s.i] {
				other.listed[s.i] = false
				among = append(among, other)
			}
		}
		for i, n := range q.divide(min(q.free[s.i], room), among) {
			if n == 0 || len(s.claiming) == task.MaxQueues {
				q.giveBack(among[i], n)
				continue
			}
			room -= s.claim(among[i], n)
		}
		idle = true
	}
	s.toClaim = slices.Delete(s.toClaim, 0, seen)
	for _, q := range s.claiming {
		if q.hasFree() {
			withFree++
		}
	}
	return idle || withFree < s.r.queues.withFree
}

// claim adds a claim for n tasks of a queue, if n is not 0. It returns n.
func (s *sequence) claim(q *queue, n int) int {
	if n <= 0 {
		return 0
	}
	s.r.queues.use(q, s.i, n)
	q.requested[s.i] = n
	s.claiming = append(s.claiming, q)
	s.x.Claims = append(s.x.Claims, task.Claim{Queue: q.name, N: n})
	return n
}

// apply acts on the answer to the exchange that was sent at sent.
func (s *sequence) apply(got *task.Exchanged, sent time.Time) {
	r, now := s.r, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	current := s.x.Replica == r.ID() // false if the pool has forgotten the replica meanwhile
	if current {
		s.number++
	}
	// The answer to a repeated call lists no ready queues: make another exchange.
	s.required, s.pending = s.required || s.repeated, false
	for i, a := range s.sent {
		v, rep := got.Verdicts[i], &s.x.Reports[i]
		if rep.InPlace {
			if v == task.Again {
				s.repeat(a, rep, got.Now, now, current)
				continue
			}
			r.freeSlot(a)
		}
		if r.held.acknowledge(a, v) {
			s.refused = append(s.refused, refusal{a, v})
		}
	}
	for i := range got.Claimed {
		s.accept(&got.Claimed[i], got.Now, sent, now, current)
	}
	// After accept: a task from another queue must not take a slot that this claim has filled.
	for _, q := range s.claiming {
		r.queues.use(q, s.i, -q.requested[s.i])
		if q.shared() {
			q.giveBack(q, q.requested[s.i]-claimed(got, q))
		}
		q.requested[s.i] = 0
	}
	if current {
		for i, q := range s.claiming {
			s.claimAnswered(q, i < len(got.Short) && got.Short[i])
		}
		for _, name := range got.Ready {
			if q := r.queues.byName[name]; q != nil {
				r.ready(q)
			}
		}
		soonest := time.Millisecond
		if !s.x.Idle && len(s.x.Claims) == 0 {
			soonest = minNextPause // this replica has no free slot, but may be the only one that knows the due time
		}
		r.queues.setNextDue(got.Next, soonest, sent, now)
		r.stopAttempts(got.Stops, now)
		if got.Drain {
			r.Drain()
		}
	}
	clear(s.x.Reports)
	clear(s.sent)
	s.sent, s.claiming = s.sent[:0], s.claiming[:0]
}

// claimed returns how many tasks of a queue an answer has.
func claimed(got *task.Exchanged, q *queue) (n int) {
	for i := range got.Claimed {
		if got.Claimed[i].Queue == q.name {
			n += len(got.Claimed[i].Tasks)
		}
	}
	return n
}

// startHandlers starts the handlers of the claimed tasks, and logs unknown kinds and
// refused reports.
func (s *sequence) startHandlers() {
	for _, a := range s.starting {
		go a.run()
	}
	if len(s.starting) > 0 {
		// Short handlers return first, so that the next exchange reports them together.
		runtime.Gosched()
	}
	clear(s.starting)
	s.starting = s.starting[:0]
	for _, t := range s.unknown {
		s.r.unknown.log(s.r.log(), t)
	}
	clear(s.unknown)
	s.unknown = s.unknown[:0]
	for _, v := range s.refused {
		s.r.log().Warn("a report was refused: the lease has ended or the task is gone", append(v.args(), "verdict", v.verdict)...)
	}
	clear(s.refused)
	s.refused = s.refused[:0]
}

// All goroutines may call the methods below. The caller holds the replica's mutex.

// send queues the report of an attempt.
func (s *sequence) send(a *attempt, rep task.Report) {
	a.rep = rep
	s.reports = append(s.reports, a)
	s.wake()
}

// requireExchange makes the sequence exchange even if there is nothing to report or
// claim.
func (s *sequence) requireExchange() {
	s.required = true
	s.wake()
}

func (s *sequence) wake() { wake(s.work) }

// untilNext returns the time until the next exchange that no event causes.
func (r *Replica) untilNext(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := now.Add(idleWatch)
	if due := r.queues.nextDue; r.phase == serving && !due.IsZero() && due.Before(next) {
		next = due
	}
	if r.queues.unreported > 0 && r.queues.busyAt.Before(next) {
		next = r.queues.busyAt
	}
	return next.Sub(now)
}

// reset restarts the sequence for a replica that the pool has forgotten.
func (s *sequence) reset() {
	for _, a := range s.reports {
		if a.rep.InPlace {
			s.r.freeSlot(a)
		}
		s.r.held.acknowledge(a, task.LeaseLost)
	}
	for _, q := range s.toClaim {
		q.listed[s.i] = false
	}
	s.reports, s.toClaim, s.number = nil, nil, 1
}
