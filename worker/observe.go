package worker

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Observe adds an observer of the replica's attempts and triggers. It panics after Run or Close
// was called. Without an observer the replica makes no call and reads no clock for it.
func (r *Replica) Observe(o task.Observer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase != fresh {
		panic("worker: Observe after Run or Close")
	}
	r.observers = append(r.observers, o)
}

// observeStart reports the start of the handler.
func (a *attempt) observeStart() {
	observers := a.claim.sequence.r.observers
	if len(observers) == 0 {
		return
	}
	wait := a.waited()
	for _, o := range observers {
		o.Started(a.task, a.claim.q.name, wait)
	}
}

// waited returns how long the task was due before it was claimed; -1 if the claim was not for
// this attempt, or was for a save.
func (a *attempt) waited() time.Duration {
	t := a.task
	if a.inPlace || a.saves() || t.StartedAt.IsZero() {
		return -1
	}
	since := t.CreatedAt
	if t.DueAt.After(since) {
		since = t.DueAt
	}
	return max(t.StartedAt.Sub(since), 0)
}

// began returns when the attempt started. The caller holds the replica's mutex.
func (a *attempt) began() time.Time {
	if a.inPlace {
		return a.series.repeatedAt
	}
	return a.claim.acceptedAt
}

// observeEnd reports the end of an attempt that began at the time.
func (a *attempt) observeEnd(code task.Code, began time.Time) {
	observers := a.claim.sequence.r.observers
	if len(observers) == 0 {
		return
	}
	run := time.Since(began)
	for _, o := range observers {
		o.Ended(a.task, a.claim.q.name, code, run)
	}
}

// observe reports the firings that the store has applied.
func (f *triggers) observe(firings []task.TriggerFiring, got *task.FiredTriggers) {
	for _, o := range f.r.observers {
		for i := range min(len(firings), len(got.Fired)) {
			if len(got.Fired[i]) > 0 {
				o.Fired(&firings[i], got.Fired[i], max(got.Now.Sub(firings[i].Read.At), 0))
			}
		}
	}
}
