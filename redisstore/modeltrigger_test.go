package redisstore_test

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// fire sets a trigger whose planned time has passed, and fires it: at once, or after the trigger
// was replaced, paused or removed by another client. Only the first makes a task.
func (w *walk) fire() {
	spec := w.someSpec(0, pick(w, 0, 0, long))
	spec.ID, spec.Reply, spec.RunAt = "", false, time.Time{}
	name := fmt.Sprint("t", w.rng.IntN(3))
	meanwhile := pick(w, "", "", "", "replaced", "paused", "removed", "fired")
	w.last += fmt.Sprintf(" fire %s, %s meanwhile", name, meanwhile)
	def := &trigger.Definition{Name: name, Every: time.Hour, Task: spec}
	text, err := trigger.Encode(def)
	w.must(err)
	planned := w.now(w.t).Add(-time.Second).Truncate(time.Millisecond)
	set := func(text string) {
		read, _, err := w.store.Triggers(w.ctx, name)
		w.must(err)
		done, err := w.store.SetTrigger(w.ctx, task.TriggerChange{Read: read[0], Name: name, Definition: text, Planned: planned, Due: planned, Anchor: planned})
		if w.must(err); !done {
			w.failf("the trigger was not set")
		}
	}
	set(string(text))
	read, now, err := w.store.Triggers(w.ctx, name)
	w.must(err)
	f, err := trigger.NewPlanner(nil).Fire(read[0], now)
	w.must(err)
	switch meanwhile {
	case "replaced":
		set(string(text) + " ")
	case "paused":
		w.must(w.store.PauseTrigger(w.ctx, name))
	case "removed":
		w.must(w.store.RemoveTrigger(w.ctx, name))
	}
	got, err := w.store.FireTriggers(w.ctx, []task.TriggerFiring{f}, 0)
	w.must(err)
	defer func() { // the replicas take their signals
		for id := range w.replicas {
			w.must(w.rdb.LRem(w.ctx, w.prefix+"signals:"+id, 0, "triggers").Err())
		}
	}()
	if meanwhile == "replaced" || meanwhile == "paused" || meanwhile == "removed" {
		if !got.Changed[0] || len(got.Fired[0]) != 0 {
			w.failf("a trigger that was %s fired: %+v", meanwhile, got)
		}
		return
	}
	if got.Changed[0] || len(got.Fired[0]) != 1 {
		w.failf("it did not fire: %+v", got)
		return
	}
	fired := got.Fired[0][0]
	want := task.TriggerRecord{Planned: planned, At: got.Now, Outcome: task.TriggerEnqueued, Task: fired.Task}
	if m := w.holder(spec.Unique); m != nil {
		want.Outcome, want.Task, want.Why = task.TriggerDuplicate, m.id, fired.Why
	} else {
		spec.ID = fired.Task
		w.make(spec)
	}
	if d := cmp.Diff(want, fired); d != "" {
		w.failf("firing (-want +got):\n%s", d)
	}
	if meanwhile == "fired" {
		if again, err := w.store.FireTriggers(w.ctx, []task.TriggerFiring{f}, 0); err != nil || !again.Changed[0] {
			w.failf("the firing again: %+v, %v", again, err)
		}
	}
}
