package worker

import (
	"context"
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
	// triggersWait is how long a replica waits without asking which triggers are due: a
	// signal may have been lost, or the replica that was to fire may have died.
	triggersWait = 10 * time.Second
	// triggersBatch is how many triggers one call fires.
	triggersBatch = 100
	// A problem of a trigger is logged at most once in this time.
	triggerProblemPause = time.Minute
)

// triggers fires the triggers of the pool. Every replica does. The store hands a trigger
// that is due to one of them, and applies what it decides only if the trigger is unchanged.
type triggers struct {
	r    *Replica
	wake chan struct{}

	problems map[string]time.Time // when a problem of a trigger was last logged
}

func (f *triggers) run(ctx context.Context) {
	f.problems = map[string]time.Time{}
	t := retry{outage: f.r.outages, op: "fire triggers"}
	defer t.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
		timer.Reset(f.fire(ctx, &t))
	}
}

// fire fires all triggers that are due, and returns how long to wait then.
func (f *triggers) fire(ctx context.Context, t *retry) time.Duration {
	var firings []task.TriggerFiring
	for {
		most := triggersBatch
		if ctx.Err() != nil {
			if most = 0; len(firings) == 0 {
				return triggersWait
			}
		}
		var got task.FiredTriggers
		// A drain does not cancel the call: the triggers that it fires would be late.
		err := f.r.call(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
			got, err = f.r.store.FireTriggers(ctx, firings, most)
			return err
		})
		if err != nil {
			return t.failed(err) // other replicas get the triggers, or this one again
		}
		t.ok()
		f.logRefusals(firings, got)
		firings = firings[:0]
		for _, due := range got.Due {
			firing, err := f.r.cfg.Triggers.Fire(due, got.Now)
			if err != nil {
				f.problem(due.Name, "a trigger cannot be fired here", err.Error())
				continue
			}
			firings = append(firings, firing)
		}
		if len(firings) > 0 {
			continue
		}
		if got.Next > 0 {
			return min(got.Next, jitter(triggersWait))
		}
		return jitter(triggersWait)
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
