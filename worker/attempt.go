package worker

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// attempt is one execution of a task by this replica.
type attempt struct {
	claim  *claim
	task   *task.Task
	handle task.Handler // nil for a task that is released without a start
	ctx    lazyContext
	stall  *stall  // nil for a kind without a progress timeout
	series *series // of attempts in place; nil if the policy of the kind allows none

	own         *ownQueue // of the kind; nil for none
	ownSequence int8      // of the slot that is taken in own; -1 for none

	// Guarded by the replica's mutex.
	rep          task.Report           // set from the end of the attempt until it is sent
	slowAt       time.Time             // when the soft timeout passes; zero for none, or once it has passed
	graceAt      time.Time             // when a cancelled handler is given up; zero until it is cancelled
	returned     bool                  // the handler has returned
	abandoned    bool                  // the handler has been given up; it keeps its slot until it returns
	gaveUp       task.Code             // the code of the end of an abandoned attempt
	gaveUpError  string                // and its error
	traced       func(task.AttemptEnd) // ends the span; nil for none, or once that was called
	wasSlow      time.Time             // when the watch saw that slowAt has passed; zero before
	acknowledged bool                  // the store has answered the report
	dropped      bool                  // counted in heldClaims.dropped
	inPlace      bool                  // follows another attempt of its series; set before the start

	// The updates of the running handler have a mutex of their own, so that a handler
	// that updates often delays nothing else.
	mu         sync.Mutex
	progress   []byte        // not yet sent; nil for none
	slow       bool          // the soft timeout has passed; not yet sent
	listed     bool          // in the keeper's list of attempts with updates
	log        *logTail      // nil until it is used
	meta       task.Meta     // nil until it is used
	saved      *checkpoints  // nil until the first checkpoint
	leaseEnded bool          // another replica may run the task
	leaseLost  chan struct{} // closed when leaseEnded is set; created by LeaseLost
	token      *reportToken  // created by ReportToken
}

// run calls the handler and reports the end of the attempt.
func (a *attempt) run() {
	var result []byte
	var err error
	returned := false
	defer func() {
		if !returned {
			err = abnormalEnd(recover())
		}
		rep := a.report(result, err)
		if a.claim.sequence.r.cfg.Tracer != nil {
			a.endTrace(&rep)
		}
		a.ctx.cancel(context.Canceled) // ends goroutines of the handler that use its context
		a.claim.sequence.r.finish(a, rep)
	}()
	a.observeStart()
	var ctx context.Context = &a.ctx
	if a.claim.sequence.r.cfg.Tracer != nil {
		growStack(0)
		ctx = a.trace()
	}
	result, err = a.handle(ctx, a.task)
	returned = true
}

// finish queues the report of a handler that returned and frees its slot.
func (r *Replica) finish(a *attempt, rep task.Report) {
	c := a.claim
	r.mu.Lock()
	a.returned = true
	abandoned, code, began := a.abandoned, rep.Code, a.began()
	if c.lost {
		code = task.CodeLost
	}
	dropped := c.lost || abandoned
	if dropped {
		a.dropped = true
		r.held.dropped++
	}
	switch {
	case a.abandoned:
		r.held.stuck--
	case c.lost:
		// The outcome is dropped. If the store has not given the task to another replica
		// yet, a release saves it the wait for the end of the lease.
		r.held.handlerEnded(c)
		if !c.refused {
			released := a.released(task.CodeReleased, 0)
			released.Log, released.LogSize = rep.Log, rep.LogSize
			c.sequence.send(a, released)
		}
	default:
		r.held.handlerEnded(c)
		rep.InPlace = r.mayRepeat(a, &rep)
		c.sequence.send(a, rep)
	}
	if !rep.InPlace {
		r.freeSlot(a) // in the exchange that reports the attempt
	}
	if r.held.running == 0 && r.phase != serving {
		wake(r.drain.changed)
	}
	r.mu.Unlock()
	if !abandoned {
		a.observeEnd(code, began)
	}

	switch {
	case dropped: // logged when the attempt was given up
		r.log().Warn("a handler returned after its attempt had been given up; its outcome is dropped", a.args()...)
	case rep.Op == task.Fail && a.saves() && (rep.Code == task.CodeError || rep.Code == task.CodeTimeout):
		// The outage of the exporter is logged instead.
	case rep.Op == task.Fail && rep.Code == task.CodeStopped:
		r.log().Info("attempt stopped", append(a.args(), "err", rep.Error)...)
	case rep.Op == task.Fail:
		r.log().Info("attempt failed", append(a.args(), "code", rep.Code, "err", rep.Error)...)
	}
}

// takeOwn takes a slot of the kind's own queue, if the kind has one and the task was claimed
// from another queue. It reports false if no slot is free. The caller holds the replica's
// mutex.
func (a *attempt) takeOwn() bool {
	r := a.claim.sequence.r
	a.own, a.ownSequence = r.own[a.task.Kind], -1
	if a.own == nil || a.own.q == a.claim.q {
		return true
	}
	i, ok := a.own.take(&r.queues)
	if ok {
		a.ownSequence = int8(i)
	}
	return ok
}

// freeOwn frees the slot that takeOwn has taken. The caller holds the replica's mutex.
func (a *attempt) freeOwn() {
	r := a.claim.sequence.r
	a.own.ended(time.Since(a.claim.acceptedAt))
	if i := a.ownSequence; i >= 0 {
		r.queues.use(a.own.q, int(i), -1)
		r.sequences[i].claimFrom(a.own.q)
	}
}

// giveBack releases a task that was not started. The caller holds the replica's mutex.
func (a *attempt) giveBack(code task.Code, delay time.Duration) {
	a.returned = true
	a.claim.sequence.send(a, a.released(code, delay))
}

// stop cancels the handler's context. Only the first cause counts. The caller holds the
// mutex.
func (r *Replica) stop(a *attempt, cause error, now time.Time) {
	if a.returned || !a.graceAt.IsZero() {
		return
	}
	a.graceAt = now.Add(r.cfg.StopGrace)
	a.claim.nextCheck = minTime(a.claim.nextCheck, a.graceAt)
	r.watch.wakeAt(a.graceAt)
	a.ctx.cancel(cause)
}

// abandon gives up a handler that ignores its cancelled context. The caller holds the
// mutex.
func (r *Replica) abandon(a *attempt) {
	a.abandoned = true
	r.held.handlerEnded(a.claim)
	r.held.stuck++
	code := task.CodeLost
	if !a.claim.lost {
		a.endLease()
		rep := a.giveUp()
		code, a.gaveUpError = rep.Code, rep.Error
		a.claim.sequence.send(a, rep)
	}
	a.gaveUp = code
	a.observeEnd(code, a.began())
	if r.held.stuck == r.cfg.MaxStuck+1 && !isClosed(r.overStuck) {
		close(r.overStuck)
	}
	if r.held.running == 0 && r.phase != serving {
		wake(r.drain.changed)
	}
}

// LeaseLost implements Execution.
func (a *attempt) LeaseLost() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaseLost == nil {
		a.leaseLost = make(chan struct{})
		if a.leaseEnded {
			close(a.leaseLost)
		}
	}
	return a.leaseLost
}

// SetProgress implements Execution.
func (a *attempt) SetProgress(progress []byte) {
	a.moved()
	a.update(func() { a.progress = progress })
}

// WriteLog implements Execution.
func (a *attempt) WriteLog(p []byte) { a.changeLog(func(l *logTail) { l.write(p) }) }

// SetLog implements Execution.
func (a *attempt) SetLog(b []byte) { a.changeLog(func(l *logTail) { l.set(b) }) }

// LimitLog implements Execution.
func (a *attempt) LimitLog(n int) { a.changeLog(func(l *logTail) { l.limit(n) }) }

// SetMeta implements Execution.
func (a *attempt) SetMeta(key, value string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.meta.Set(key, value)
}

// Meta implements Execution.
func (a *attempt) Meta() task.Meta {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.meta)
}

// changeLog changes the log and, if that is new to the store, requests a renewal.
func (a *attempt) changeLog(change func(*logTail)) {
	a.mu.Lock()
	if a.log == nil {
		a.log = &logTail{max: a.claim.sequence.r.cfg.MaxLog}
	}
	change(a.log)
	request := a.log.changed && !a.listed
	a.listed = a.listed || request
	a.mu.Unlock()
	if request {
		a.claim.sequence.r.keeper.request(false, a)
	}
}

// endLease records that another replica may run the task.
func (a *attempt) endLease() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaseLost != nil && !a.leaseEnded {
		close(a.leaseLost)
	}
	a.leaseEnded = true
}

// update changes the updates to send and puts the attempt on the keeper's list.
func (a *attempt) update(change func()) {
	a.mu.Lock()
	change()
	listed := a.listed
	a.listed = true
	a.mu.Unlock()
	if !listed {
		a.claim.sequence.r.keeper.request(false, a)
	}
}

// takeUpdate returns the update to send and clears it. any reports whether there is
// one. The log is sent at most once per updateInterval: later reports whether it stays
// to be sent, and the attempt on the keeper's list.
func (a *attempt) takeUpdate(now time.Time) (n task.AttemptUpdate, any, later bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n = task.AttemptUpdate{ID: a.task.ID, Fence: a.claim.fence, Attempt: a.number(), Progress: a.progress, Slow: a.slow}
	a.progress, a.slow, a.listed = nil, false, false
	if l := a.log; l != nil && l.changed {
		if later = now.Sub(l.sent) < updateInterval; later {
			a.listed = true
		} else {
			n.Log, n.LogSize = l.tail(), l.size
			l.changed, l.sent = false, now
		}
	}
	return n, n.Progress != nil || n.Slow || n.LogSize > 0, later
}

// restoreUpdate puts back an update that could not be sent, unless there is a newer
// one.
func (a *attempt) restoreUpdate(n task.AttemptUpdate) {
	a.update(func() {
		if a.progress == nil {
			a.progress = n.Progress
		}
		a.slow = a.slow || n.Slow
		if n.LogSize > 0 {
			a.log.changed, a.log.sent = true, time.Time{}
		}
	})
}

// addOutput adds the log and the meta of the attempt to its report.
func (a *attempt) addOutput(rep *task.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		rep.Log, rep.LogSize = a.log.tail(), a.log.size
	}
	if a.meta != nil {
		rep.Meta = maps.Clone(a.meta)
	}
}

// args returns the log attributes that name the attempt.
func (a *attempt) args() []any {
	return []any{"task", a.task.ID, "kind", a.task.Kind, "queue", a.claim.q.name, "attempt", a.task.Attempt}
}
