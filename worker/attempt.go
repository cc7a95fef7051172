package worker

import (
	"context"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// attempt is one execution of a task by this replica.
type attempt struct {
	claim  *claim
	task   *task.Task
	handle task.Handler // nil for a task that is given back without a start
	ctx    lazyContext

	// Guarded by the replica's mutex.
	rep          task.Report // from the end of the attempt until it is sent
	slowAt       time.Time   // when the soft timeout passes; zero for none, or passed
	graceAt      time.Time   // when a cancelled handler is given up; zero while it is not cancelled
	returned     bool        // the handler has returned
	abandoned    bool        // the handler has been given up; its slot stays taken until it returns
	acknowledged bool        // the store has answered its report
	dropped      bool        // it has been counted as dropped

	// What the handler reports while it runs has a mutex of its own, so that a handler
	// that reports often delays nothing else.
	mu       sync.Mutex
	progress []byte // not yet sent; nil for none
	slow     bool   // the soft timeout passed, not yet sent
	listed   bool   // the keeper knows that there is something to send
	log      string
	over     bool          // another replica may run the task from now on
	passed   chan struct{} // closed when over is set; nil until it is asked for
}

// run calls the handler and reports the end of the attempt, whichever way it ends.
func (a *attempt) run() {
	var result []byte
	var err error
	returned := false
	defer func() {
		if !returned {
			err = unwound(recover())
		}
		rep := a.report(result, err)
		a.ctx.cancel(context.Canceled) // ends what the handler left behind on its context
		a.claim.sequence.r.finish(a, rep)
	}()
	result, err = a.handle(&a.ctx, a.task)
	returned = true
}

// finish takes in the report of a handler that returned.
func (r *Replica) finish(a *attempt, rep task.Report) {
	c := a.claim
	r.mu.Lock()
	a.returned = true
	dropped := c.lost || a.abandoned
	if dropped {
		a.dropped = true
		r.held.dropped++
	}
	switch {
	case a.abandoned:
		r.held.stuck--
	case c.lost:
		// What it did no longer counts. If the store has not given the task to another
		// replica yet, giving it back saves it the wait for the end of its lease.
		r.held.handlerEnded(c)
		if !c.refused {
			c.sequence.send(a, a.released(task.CodeReleased, 0))
		}
	default:
		r.held.handlerEnded(c)
		c.sequence.send(a, rep)
	}
	r.queues.taken--
	r.queues.use(c.q, c.sequence.i, -1)
	c.sequence.ask(c.q) // in the exchange that reports the attempt
	if r.held.running == 0 && r.phase != serving {
		wake(r.drain.changed)
	}
	r.mu.Unlock()

	switch {
	case dropped: // it was logged when it was given up
		r.log().Warn("a handler returned after its attempt had been given up; its outcome is dropped", a.args()...)
	case rep.Op == task.Fail:
		r.log().Info("attempt failed", append(a.args(), "code", rep.Code, "err", rep.Error)...)
	}
}

// giveBack releases a task that was never started. The caller holds the replica's mutex.
func (a *attempt) giveBack(code task.Code, delay time.Duration) {
	a.returned = true
	a.claim.sequence.send(a, a.released(code, delay))
}

// stop cancels the handler's context; only the first cause counts. The caller holds the
// mutex.
func (r *Replica) stop(a *attempt, cause error, now time.Time) {
	if a.returned || !a.graceAt.IsZero() {
		return
	}
	a.graceAt = now.Add(r.cfg.StopGrace)
	a.claim.next = earlier(a.claim.next, a.graceAt)
	r.watch.wakeAt(a.graceAt)
	a.ctx.cancel(cause)
}

// abandon gives up a handler that ignores its cancelled context. The caller holds the
// mutex.
func (r *Replica) abandon(a *attempt) {
	a.abandoned = true
	r.held.handlerEnded(a.claim)
	r.held.stuck++
	if !a.claim.lost {
		a.pass()
		a.claim.sequence.send(a, a.giveUp())
	}
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
	if a.passed == nil {
		a.passed = make(chan struct{})
		if a.over {
			close(a.passed)
		}
	}
	return a.passed
}

// SetProgress implements Execution.
func (a *attempt) SetProgress(progress []byte) { a.note(func() { a.progress = progress }) }

// SetLog implements Execution.
func (a *attempt) SetLog(b []byte) {
	tail := cutTail(string(b[max(0, len(b)-task.MaxLogLen):]), task.MaxLogLen)
	a.mu.Lock()
	a.log = tail
	a.mu.Unlock()
}

// pass notes that another replica may run the task from now on.
func (a *attempt) pass() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.passed != nil && !a.over {
		close(a.passed)
	}
	a.over = true
}

// note changes what is to be sent and lists the attempt with the keeper.
func (a *attempt) note(change func()) {
	a.mu.Lock()
	change()
	listed := a.listed
	a.listed = true
	a.mu.Unlock()
	if !listed {
		a.claim.sequence.r.keeper.ask(false, a)
	}
}

// takeUpdate returns what is to be sent, and whether there is anything.
func (a *attempt) takeUpdate() (n task.AttemptUpdate, any bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n = task.AttemptUpdate{ID: a.task.ID, Fence: a.claim.fence, Progress: a.progress, Slow: a.slow}
	a.progress, a.slow, a.listed = nil, false, false
	return n, n.Progress != nil || n.Slow
}

// resend puts back what could not be sent, as far as nothing newer has come.
func (a *attempt) resend(n task.AttemptUpdate) {
	a.note(func() {
		if a.progress == nil {
			a.progress = n.Progress
		}
		a.slow = a.slow || n.Slow
	})
}

func (a *attempt) logTail() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log
}

// args names the attempt in the log.
func (a *attempt) args() []any {
	return []any{"task", a.task.ID, "kind", a.task.Kind, "queue", a.claim.q.name, "attempt", a.task.Attempt}
}
