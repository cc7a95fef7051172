package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

func overlapDecides(fx *fixture) {
	fire := func(name string, overlap trigger.Overlap) {
		fx.setTrigger(trigger.Definition{Name: name, Every: time.Hour, Overlap: overlap, Task: task.Spec{Queue: name}}, fx.past())
	}
	for overlap, want := range map[trigger.Overlap]string{trigger.OverlapAllow: "enqueued", trigger.OverlapSkip: "skipped", trigger.OverlapStop: "enqueued"} {
		name := string(overlap)
		fire(name, overlap)
		fx.wantFired("enqueued")
		first := fx.claim(name, 1)[0]
		fire(name, overlap)
		fx.wantFired(want)
		stopped := fx.heartbeat(task.Renewal{Held: []task.HeldClaim{{Fence: first.Fence, Held: 1, Left: time.Hour}}}).Stops
		if (len(stopped) == 1) != (overlap == trigger.OverlapStop) {
			fx.Errorf("%s: stops %+v", overlap, stopped)
		}
		fx.report(succeed(first))
		if overlap == trigger.OverlapSkip {
			fire(name, overlap)
			fx.wantFired("enqueued")
			if got := fx.triggerHistory(name); got[1] != "skipped task "+first.ID+" has not ended" {
				fx.Errorf("history %q", got)
			}
		}
	}
	// A waiting task is stopped at once.
	fire("stop", trigger.OverlapStop)
	fx.fire()
	if n := len(fx.list(task.Filter{Queues: []string{"stop"}, States: []task.State{task.Waiting}})); n != 1 {
		fx.Errorf("%d tasks wait", n)
	}
}

func queuedFiringWaits(fx *fixture) {
	fire := func() {
		fx.setTrigger(trigger.Definition{Name: "t", Every: time.Hour, Overlap: trigger.OverlapQueue}, fx.past())
	}
	fire()
	fx.wantFired("enqueued")
	first := fx.claim(task.DefaultQueue, 1)[0]
	read := fx.trigger("t")
	// The next planned times pass while the first task runs.
	due := func() {
		now := fx.past()
		c := task.TriggerChange{Read: fx.trigger("t"), Name: "t", Definition: read.Definition, Planned: now, Due: now, Anchor: now}
		if fx.trigger("t").Pending.IsZero() {
			if done, err := fx.Store.SetTrigger(fx.ctx, c); !done || err != nil {
				fx.Fatal(done, err)
			}
		}
	}
	due()
	fx.wantFired("queued")
	if got := fx.trigger("t"); got.Pending.IsZero() || got.Task != first.ID {
		fx.Errorf("%+v", got)
	}
	fx.wantFired()
	fx.accept(succeed(first))
	fx.wantFired("enqueued")
	if got := fx.trigger("t"); !got.Pending.IsZero() || !got.Planned.After(fx.Now(fx)) {
		fx.Errorf("%+v", got)
	}
	if n := len(fx.claim(task.DefaultQueue, 10)); n != 1 {
		fx.Errorf("%d tasks", n)
	}
}

func fixedDelayCountsFromTheEnd(fx *fixture) {
	fx.setTrigger(trigger.Definition{Name: "t", After: time.Hour, Task: task.Spec{MaxAttempts: 2}}, fx.past())
	fx.wantFired("enqueued")
	if got := fx.trigger("t"); !got.Planned.IsZero() {
		fx.Errorf("planned %v while the task is live", got.Planned)
	}
	t := fx.claim(task.DefaultQueue, 1)[0]
	r := fail(t, task.CodeError)
	r.DelaySet = true
	fx.accept(r)
	if got := fx.trigger("t"); !got.Planned.IsZero() {
		fx.Errorf("planned %v before the retry", got.Planned)
	}
	t = fx.claim(task.DefaultQueue, 1)[0]
	before := fx.Now(fx)
	fx.accept(fail(t, task.CodePermanent))
	if got := fx.trigger("t"); got.Planned.Before(before.Add(time.Hour)) || got.Planned.After(fx.Now(fx).Add(time.Hour)) {
		fx.Errorf("planned %v", got.Planned)
	}
	// A refused task does not end the trigger.
	fx.enqueue(task.Spec{ID: "holder", Unique: "u"})
	fx.setTrigger(trigger.Definition{Name: "u", After: time.Hour, Task: task.Spec{Unique: "u"}}, fx.past())
	fx.wantFired("duplicate")
	if got := fx.trigger("u"); got.Planned.Before(fx.Now(fx)) {
		fx.Errorf("planned %v", got.Planned)
	}
}
