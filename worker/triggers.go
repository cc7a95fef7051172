package worker

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// TriggerPlanner decides what to do at now with a trigger that is due. It fails if the
// definition of the trigger cannot be computed here. CalendarEnds returns the last day of the
// data of each calendar whose data ends. Package trigger has one.
type TriggerPlanner interface {
	Fire(t task.StoredTrigger, now time.Time) (task.TriggerFiring, error)
	CalendarEnds() map[string]time.Time
}

const (
	// triggersWait is how long a replica of a pool with triggers waits without asking which
	// are due: the replica that was to fire may have died.
	triggersWait = 10 * time.Second
	// triggersBatch is how many triggers one call hands out.
	triggersBatch = 100
	// One call fires triggers with up to firedTasks tasks, and firedBytes of definitions and
	// payloads; one trigger always fits.
	firedTasks = 50
	firedBytes = 256 << 10
	// A replica holds up to maxHeldTriggers triggers that are due soon, with up to
	// maxHeldDefinitions bytes of definitions.
	maxHeldTriggers    = 5000
	maxHeldDefinitions = 4 << 20
	// A firing that was computed for a time is computed again so long after it.
	firingAge = time.Second
	// A problem of a trigger is logged at most once in this time.
	triggerProblemPause = time.Minute
)

// triggers fires the triggers of the pool. Every replica does. The store hands a trigger to
// one of them some time before it is due. The replica computes the firing and calls the store
// when the trigger is due. The store applies the firing only if the trigger is unchanged and
// due. A pool without triggers gets no calls: a signal or a heartbeat reports the first one.
type triggers struct {
	r    *Replica
	wake chan struct{}
	idle atomic.Bool // there are no triggers that wait for their time

	held  []task.TriggerFiring // by the time at which they are handled
	clock storeClock

	problems map[string]time.Time // when a problem of a trigger was last logged
}

// storeClock estimates the clock of the store from the answers to calls, whatever the clock
// of the machine shows. The estimate is never ahead of the store's clock, unless that was set
// back or is slower.
type storeClock struct {
	began time.Time // of this machine; only its monotonic reading counts
	zero  time.Time // the store's clock at that time, or later than that
}

func (c *storeClock) now() time.Time { return c.zero.Add(time.Since(c.began)) }

// observe takes the store's clock from an answer that has just arrived. The answer with the
// shortest way counts, or this one if the estimate was wrong.
func (c *storeClock) observe(now time.Time, wrong bool) {
	if zero := now.Add(-time.Since(c.began)); wrong || zero.After(c.zero) {
		c.zero = zero
	}
}

func (f *triggers) run(ctx context.Context) {
	f.problems = map[string]time.Time{}
	f.clock.began = time.Now()
	t := retry{outage: f.r.outages, op: "fire triggers"}
	defer t.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.giveBack()
			return
		case <-f.wake:
		case <-timer.C:
		}
		timer.Reset(f.fire(ctx, &t))
	}
}

// exist is called when the store has reported that triggers wait for their time.
func (f *triggers) exist() {
	if f.idle.Load() {
		wake(f.wake)
	}
}

// fire fires all triggers that are due, and returns how long to wait then.
func (f *triggers) fire(ctx context.Context, t *retry) time.Duration {
	f.idle.Store(false)
	for ctx.Err() == nil {
		firings, most := f.due(), f.room()
		// A drain does not cancel the call: the triggers that it fires would be late.
		got, err := f.call(context.WithoutCancel(ctx), firings, most)
		if err != nil {
			return t.failed(err) // if other replicas get the triggers meanwhile, the repeated call has no effect
		}
		t.ok()
		f.drop(len(firings))
		f.clock.observe(got.Now, slices.Contains(got.Changed, true))
		f.logRefusals(firings, got)
		f.observe(firings, &got)
		f.hold(got.Due)
		wait := time.Duration(math.MaxInt64) // until a signal or a heartbeat reports a trigger
		if got.Next > 0 {
			wait = jitter(triggersWait)
			if f.room() > 0 {
				wait = min(wait, got.Next)
			}
		}
		if len(f.held) > 0 {
			wait = min(wait, f.held[0].Read.At.Sub(f.clock.now()))
		}
		if wait > 0 && (len(got.Due) < most || most == 0) {
			f.idle.Store(got.Next == 0)
			return wait
		}
	}
	return 0
}

func (f *triggers) call(ctx context.Context, firings []task.TriggerFiring, most int) (got task.FiredTriggers, err error) {
	err = f.r.call(ctx, func(ctx context.Context) (err error) {
		got, err = f.r.store.FireTriggers(ctx, firings, most)
		return err
	})
	return got, err
}

// due returns the first firings whose time has come.
func (f *triggers) due() []task.TriggerFiring {
	now, n := f.clock.now(), 0
	for ; n < min(len(f.held), firedTasks) && !f.held[n].Read.At.After(now); n++ {
		if now.Sub(f.held[n].Read.At) < firingAge {
			continue
		}
		// The process has not run for a while: the firing may be a misfire now.
		if firing, err := f.r.cfg.Triggers.Fire(f.held[n].Read, now); err == nil {
			f.held[n] = firing
		}
	}
	return slices.Clone(f.held[:fitting(f.held[:n])])
}

// fitting returns how many of the firings fit into one call.
func fitting(firings []task.TriggerFiring) int {
	tasks, size := 0, 0
	for i := range firings {
		f := &firings[i]
		tasks += max(1, len(f.Tasks))
		size += len(f.Read.Definition)
		for k := range f.Tasks {
			size += len(f.Tasks[k].Payload)
		}
		if i > 0 && (tasks > firedTasks || size > firedBytes) {
			return i
		}
	}
	return len(firings)
}

// room returns how many triggers the next call may hand out.
func (f *triggers) room() int {
	size := 0
	for i := range f.held {
		size += len(f.held[i].Read.Definition)
	}
	if size >= maxHeldDefinitions {
		return 0
	}
	return min(triggersBatch, max(maxHeldTriggers-len(f.held), 0))
}

// drop removes the first n triggers that the replica holds.
func (f *triggers) drop(n int) {
	clear(f.held[:n])
	f.held = f.held[n:]
}

// hold computes the firings of triggers that the store has handed out.
func (f *triggers) hold(due []task.StoredTrigger) {
	if len(due) == 0 {
		return
	}
	again := make(map[string]bool, len(due))
	for _, t := range due {
		again[t.Name] = true
	}
	f.held = slices.DeleteFunc(f.held, func(h task.TriggerFiring) bool { return again[h.Read.Name] })
	for _, t := range due {
		now := f.clock.now()
		if t.At.After(now) {
			now = t.At
		}
		firing, err := f.r.cfg.Triggers.Fire(t, now)
		if err != nil {
			f.problem(t.Name, "a trigger cannot be fired here", err.Error())
			continue
		}
		f.held = append(f.held, firing)
	}
	slices.SortFunc(f.held, func(a, b task.TriggerFiring) int { return a.Read.At.Compare(b.Read.At) })
}

// giveBack gives the triggers back that the replica holds, so that other replicas fire them
// in time.
func (f *triggers) giveBack() {
	for len(f.held) > 0 {
		n := fitting(f.held[:min(len(f.held), firedTasks)])
		if _, err := f.call(f.r.base, f.held[:n], 0); err != nil {
			return // others get them a moment after they were due
		}
		f.drop(n)
	}
}

// logRefusals logs firings that made no task.
func (f *triggers) logRefusals(firings []task.TriggerFiring, got task.FiredTriggers) {
	for i, fired := range got.Fired {
		for _, e := range fired {
			switch e.Outcome {
			case task.TriggerQueueFull, task.TriggerLimitReached, task.TriggerInvalid:
				f.problem(firings[i].Read.Name, "the task of a trigger was refused", e.Why)
			}
		}
	}
}

// problem logs a problem of a trigger.
func (f *triggers) problem(name, what, why string) {
	now := time.Now()
	if now.Sub(f.problems[name]) < triggerProblemPause {
		return
	}
	if len(f.problems) >= maxProblems {
		clear(f.problems)
	}
	f.problems[name] = now
	f.r.log().Warn(what, "trigger", name, "err", why)
}

// maxProblems is of how many triggers a replica remembers when it logged a problem.
const maxProblems = 1000
