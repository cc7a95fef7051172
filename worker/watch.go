package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// idleWatch is the time until the next check of the watch when nothing is scheduled.
const idleWatch = time.Hour

// watch enforces the time limits of attempts. It cancels attempts whose lease ends
// unrenewed and those that time out, and gives up handlers that ignore the
// cancellation. It never calls the store, so no outage delays it. One timer serves all
// attempts.
type watch struct {
	r    *Replica
	wake chan struct{}
	at   time.Time // time of the next check; guarded by the replica's mutex
}

// found is the result of one check.
type found struct {
	ended   []*claim   // claims whose lease ended unrenewed
	givenUp []*attempt // attempts whose handler was given up
	slow    []*attempt // attempts whose soft timeout passed
}

func (w *watch) run(ctx context.Context) {
	timer := time.NewTimer(idleWatch)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(w.check(time.Now())))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// wakeAt makes the watch check at at or earlier. The caller holds the mutex.
func (w *watch) wakeAt(at time.Time) {
	if at.Before(w.at) {
		w.at = at
		wake(w.wake)
	}
}

// check acts on all claims whose time has come and returns when to check again.
func (w *watch) check(now time.Time) time.Time {
	r := w.r
	var f found
	next := now.Add(idleWatch)
	visit := func(c *claim) {
		if !now.Before(c.nextCheck) {
			w.checkClaim(c, now, &f)
		}
		next = minTime(next, c.nextCheck)
	}
	r.mu.Lock()
	for _, c := range r.held.live {
		visit(c)
	}
	for c := range r.held.lost {
		visit(c)
	}
	w.at = next
	r.mu.Unlock()

	for _, a := range f.slow {
		a.update(func() { a.slow = true })
	}
	for _, c := range f.ended {
		r.log().Warn("the lease could not be renewed in time; its handlers are cancelled", c.args()...)
	}
	for _, a := range f.givenUp {
		r.log().Warn("a handler ignores its cancelled context; it keeps its slot until it returns",
			append(a.args(), "cause", a.ctx.reason())...)
		if r.cfg.Tracer != nil {
			a.endTrace(&task.Report{})
		}
	}
	return next
}

// checkClaim acts on the claim's times that have passed and sets its nextCheck. The
// caller holds the mutex.
func (w *watch) checkClaim(c *claim, now time.Time, f *found) {
	r := w.r
	if end := c.leaseEnd.Add(-r.margin()); !c.lost && !now.Before(end) {
		r.lose(c, false, now)
		f.ended = append(f.ended, c)
	}
	timedOut := !c.deadline.IsZero() && !now.Before(c.deadline)
	c.nextCheck = now.Add(idleWatch)
	for i := range c.attempts {
		a := c.current(i)
		if a.returned || a.abandoned {
			continue
		}
		if timedOut {
			r.stop(a, task.ErrTimeout, now)
		}
		if at := a.stallsAt(); !at.IsZero() {
			if now.Before(at) {
				c.nextCheck = minTime(c.nextCheck, at)
			} else {
				r.stop(a, &stalled{a.stall.timeout}, now)
			}
		}
		if !a.slowAt.IsZero() && !now.Before(a.slowAt) {
			a.slowAt, a.wasSlow = time.Time{}, now
			f.slow = append(f.slow, a)
		}
		if !a.graceAt.IsZero() && !now.Before(a.graceAt) {
			r.abandon(a)
			f.givenUp = append(f.givenUp, a)
			continue
		}
		for _, at := range [...]time.Time{a.slowAt, a.graceAt} {
			if !at.IsZero() {
				c.nextCheck = minTime(c.nextCheck, at)
			}
		}
	}
	if !c.lost {
		c.nextCheck = minTime(c.nextCheck, c.leaseEnd.Add(-r.margin()))
	}
	if !timedOut && !c.deadline.IsZero() {
		c.nextCheck = minTime(c.nextCheck, c.deadline)
	}
}
