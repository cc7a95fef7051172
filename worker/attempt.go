package worker

import (
	"context"
	"sync"
	"time"
)

// attempt is one execution of a task by this replica.
type attempt struct {
	r      *Replica
	q      *queue
	task   *Task
	handle Handler
	ctx    context.Context
	cancel context.CancelCauseFunc
	// passed is closed when another replica may run the task: once, by lose or abandon.
	passed chan struct{}

	// Guarded by the replica's mutex.
	leaseEnd  time.Time // when the store may hand the task to another replica
	timeoutAt time.Time // zero for none
	slowAt    time.Time // when the soft timeout passes; zero for none, or told
	graceAt   time.Time // when a cancelled handler is given up; zero while it is not cancelled
	cause     error     // why it was cancelled; nil while it is not
	slow      bool      // the soft timeout passed and the store has not been told
	lost      bool      // the lease ended: nothing this attempt says counts any more
	refused   bool      // … because the store said so
	returned  bool      // the handler has returned
	abandoned bool      // the handler has been given up; its slot stays taken until it returns

	// What the handler says while it runs has a lock of its own, so that a
	// talkative handler is in nobody's way.
	mu          sync.Mutex
	progress    []byte
	progressSeq int // of the newest progress
	toldSeq     int // of the progress that the store has
	log         string
}

// run calls the handler and reports what became of it, whichever way it ends.
func (a *attempt) run() {
	var result []byte
	var err error
	returned := false
	defer func() {
		if !returned {
			err = unwound(recover())
		}
		rep := a.report(result, err)
		a.cancel(nil) // ends what the handler left behind on its context
		a.r.finish(a, rep)
	}()
	result, err = a.handle(a.ctx, a.task)
	returned = true
}

// finish takes in the report of a handler that returned.
func (r *Replica) finish(a *attempt, rep Report) {
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
	case dropped: // it was logged when it was given up
		r.log.Warn("a handler returned after its attempt had been given up; its outcome is dropped", a.args()...)
	case rep.Op == Fail:
		r.log.Info("attempt failed", append(a.args(), "code", rep.Code, "err", rep.Error)...)
	}
}

// stop cancels the handler's context; the first cause stands. The caller holds
// the replica's mutex and wakes the watch.
func (a *attempt) stop(cause error, now time.Time) {
	if a.returned || a.cause != nil {
		return
	}
	a.cause = cause
	a.graceAt = now.Add(a.r.cfg.StopGrace)
	a.cancel(cause)
}

// lose marks the lease as ended, and tells the handler whatever it was cancelled
// for before. The caller holds the replica's mutex, has seen that the attempt is
// neither lost nor abandoned, and wakes the watch.
func (a *attempt) lose(now time.Time) {
	a.lost = true
	close(a.passed)
	a.stop(ErrLeaseLost, now)
}

// news returns the progress that the store does not have yet, nil for none, and
// its number.
func (a *attempt) news() ([]byte, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.progressSeq == a.toldSeq {
		return nil, a.progressSeq
	}
	return a.progress, a.progressSeq
}

func (a *attempt) told(seq int) {
	a.mu.Lock()
	a.toldSeq = seq
	a.mu.Unlock()
}

func (a *attempt) logTail() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log
}

// args names the attempt in the log.
func (a *attempt) args() []any {
	return []any{"task", a.task.ID, "kind", a.task.Kind, "queue", a.q.name, "attempt", a.task.Attempt}
}
