package worker

import (
	"bytes"
	"maps"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// series are the attempts of a task that follow one another in one slot, under one claim.
// A failed attempt reports that the next one can follow, and keeps its slot. The answer
// of the store decides: the next attempt starts when the store has counted it. So no
// attempt runs that the store does not know, and only the newest attempt can report.
// The replica's mutex guards the fields.
type series struct {
	task   *task.Task // as it was claimed; no handler gets it
	left   int        // how many attempts may still follow
	latest *attempt   // that followed; nil if there was none

	repeatedAt time.Time // when the latest attempt started
}

// newSeries returns the series of a task that was claimed; nil if no attempt may follow in
// place.
func newSeries(t *task.Task, p task.Policy) *series {
	if p.InPlace <= 0 || t.CleanUp != "" {
		return nil
	}
	return &series{task: freshTask(t), left: p.InPlace}
}

// number returns the number of an attempt for the store to tell the attempts of a series
// apart; 0 without a series.
func (a *attempt) number() int64 {
	if a.series == nil {
		return 0
	}
	return a.task.Attempt
}

// freshTask returns a copy of a task that shares nothing that a handler may have changed.
func freshTask(t *task.Task) *task.Task {
	fresh := *t
	fresh.Payload, fresh.Headers, fresh.Progress = bytes.Clone(t.Payload), maps.Clone(t.Headers), bytes.Clone(t.Progress)
	return &fresh
}

// current returns the newest attempt of the i-th task.
func (c *claim) current(i int) *attempt {
	a := &c.attempts[i]
	if a.series != nil && a.series.latest != nil {
		return a.series.latest
	}
	return a
}

// mayRepeat reports whether the task of an attempt that ended with rep may be tried again
// in place: after an error or a panic without a delay of its own, and if the attempt was
// not cancelled. The caller holds the mutex.
func (r *Replica) mayRepeat(a *attempt, rep *task.Report) bool {
	return a.series != nil && a.series.left > 0 && r.phase == serving && a.graceAt.IsZero() &&
		rep.Op == task.Fail && (rep.Code == task.CodeError || rep.Code == task.CodePanic) && rep.Delay == 0
}

// repeat starts the attempt that follows a in place, or releases the task if it is too
// late for that. The store has counted it. The caller holds the mutex.
func (s *sequence) repeat(a *attempt, rep *task.Report, storeNow, now time.Time, current bool) {
	r, c, t := s.r, a.claim, freshTask(a.series.task)
	t.Attempt, t.Failures, t.Code, t.Error = a.task.Attempt+1, t.Failures+1, rep.Code, rep.Error
	t.StartedAt, t.TimeLeft = storeNow, c.timeLeft(now)
	t.LastCheckpoint, t.CheckpointAt, t.Job = nil, time.Time{}, "" // as after any failure
	next := &attempt{claim: c, task: t, series: a.series, own: a.own, ownSequence: a.ownSequence, slowAt: a.slowAt, inPlace: true}
	next.ctx.base = r.base
	t.Bind(next)
	a.series.task, a.series.latest = freshTask(t), next
	a.series.repeatedAt = now
	a.series.left--
	if c.lost || !current || r.phase != serving || !c.deadline.IsZero() && !now.Before(c.deadline) {
		r.freeSlot(next)
		next.giveBack(task.CodeReleased, 0)
		return
	}
	next.handle = a.handle
	c.running++
	r.held.running++
	if a.stall != nil {
		next.stall = &stall{timeout: a.stall.timeout, last: now}
	}
	for _, at := range [...]time.Time{next.slowAt, next.stallsAt()} {
		if !at.IsZero() {
			c.nextCheck = minTime(c.nextCheck, at)
		}
	}
	r.watch.wakeAt(c.nextCheck)
	s.starting = append(s.starting, next)
}

// freeSlot frees the slot of an attempt. The caller holds the mutex.
func (r *Replica) freeSlot(a *attempt) {
	c := a.claim
	r.queues.taken--
	r.queues.use(c.q, c.sequence.i, -1)
	c.sequence.claimFreed(c.q)
	if a.own != nil {
		a.freeOwn()
	}
}
