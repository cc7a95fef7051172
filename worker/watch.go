package worker

import (
	"context"
	"time"
)

// idleWatch is how far off the watch's next look is when nothing is due.
const idleWatch = time.Hour

// watch holds the attempts to their times: it cancels those whose lease ends
// unrenewed and those that time out, and gives up handlers that ignore that. It
// never calls the store, so no outage delays it. One timer serves all attempts.
func (r *Replica) watch(ctx context.Context) {
	timer := time.NewTimer(idleWatch)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(r.check(time.Now())))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.watching:
		}
	}
}

// watchUntil makes the watch look again at at, or earlier. The caller holds the
// mutex.
func (r *Replica) watchUntil(at time.Time) {
	if at.Before(r.watchAt) {
		r.watchAt = at
		poke(r.watching)
	}
}

// nextCheck is when the watch must look at the attempt next. The caller holds
// the mutex.
func (r *Replica) nextCheck(a *attempt) time.Time {
	next := a.graceAt
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !a.lost {
		sooner(a.leaseEnd.Add(-r.margin()))
	}
	if a.cause == nil {
		sooner(a.timeoutAt)
	}
	sooner(a.slowAt)
	return next
}

// check acts on everything that is due and returns when to look again.
func (r *Replica) check(now time.Time) time.Time {
	var fenced, givenUp []*attempt
	slow := false

	r.mu.Lock()
	next := now.Add(idleWatch)
	for a := range r.held {
		if a.returned || a.abandoned {
			continue
		}
		if !a.lost && !now.Before(a.leaseEnd.Add(-r.margin())) {
			a.lose(now)
			fenced = append(fenced, a)
		}
		if !a.timeoutAt.IsZero() && !now.Before(a.timeoutAt) {
			a.stop(ErrTimeout, now)
		}
		if !a.slowAt.IsZero() && !now.Before(a.slowAt) {
			a.slowAt, a.slow, slow = time.Time{}, true, true
		}
		if !a.graceAt.IsZero() && !now.Before(a.graceAt) {
			r.abandon(a)
			givenUp = append(givenUp, a)
			continue
		}
		if at := r.nextCheck(a); at.Before(next) {
			next = at
		}
	}
	r.watchAt = next
	r.mu.Unlock()

	if slow {
		r.renewSoon()
	}
	for _, a := range fenced {
		r.log.Warn("the lease could not be renewed in time; its handler is cancelled", a.args()...)
	}
	for _, a := range givenUp {
		r.log.Warn("a handler ignores its cancelled context; it keeps its slot until it returns",
			append(a.args(), "cause", a.cause)...)
	}
	return next
}

// abandon gives up a handler that ignores its cancelled context. The caller
// holds the mutex.
func (r *Replica) abandon(a *attempt) {
	a.abandoned = true
	r.active--
	r.stuck++
	if a.lost {
		delete(r.held, a)
	} else {
		close(a.passed)
		r.send(a, a.giveUp())
	}
	if r.stuck == r.cfg.MaxStuck+1 {
		select {
		case <-r.overStuck:
		default:
			close(r.overStuck)
		}
	}
	if r.active == 0 && r.phase != serving {
		poke(r.settled)
	}
}
