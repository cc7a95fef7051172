package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

func refusedTaskIsInHistory(fx *fixture) {
	fx.enqueue(task.Spec{ID: "holder", Unique: "u"})
	one := 1
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "full", MaxLen: &one}, task.Setting{Scope: task.QueueScope, Name: "busy", Limit: &one})
	fx.enqueueAll(task.Spec{Queue: "full"}, task.Spec{Queue: "busy"})
	for name, spec := range map[string]task.Spec{"a": {Unique: "u"}, "b": {Queue: "full"}, "c": {Queue: "busy", FailOnLimit: true}} {
		fx.setTrigger(trigger.Definition{Name: name, Every: time.Hour, Task: spec}, fx.past())
	}
	fx.wantFired("duplicate", "queue_full", "limit_reached")
	for name, want := range map[string]string{
		"a": "duplicate duplicate of task holder, which is waiting", "b": "queue_full queue full is full", "c": "limit_reached limit is reached: queue busy",
	} {
		if got := fx.triggerHistory(name); len(got) != 1 || got[0] != want {
			fx.Errorf("%s: %q, want %q", name, got, want)
		}
		if got := fx.trigger(name); got.Planned.Before(fx.Now(fx)) {
			fx.Errorf("%s does not go on: %+v", name, got)
		}
	}
}

// The tasks of the triggers differ in their payloads only.
func triggersOfOneCall(fx *fixture) {
	two, planned := 2, fx.past()
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "narrow", MaxLen: &two})
	for i := range 4 {
		fx.setTrigger(trigger.Definition{Name: fmt.Sprint("t", i), Every: time.Hour, PayloadTemplate: "{{trigger}}", Task: task.Spec{Queue: "narrow"}}, planned)
	}
	fx.wantFired("enqueued", "enqueued", "queue_full", "queue_full")
	for i, t := range fx.claim("narrow", 10) {
		name := fmt.Sprint("t", i)
		records, err := fx.Store.TriggerHistory(fx.ctx, name)
		if err != nil || len(records) != 1 || records[0].Task != t.ID || string(t.Payload) != name {
			fx.Errorf("the task of %s has the payload %s; history %+v, %v", name, t.Payload, records, err)
		}
	}
	for i := 2; i < 4; i++ {
		if got := fx.triggerHistory(fmt.Sprint("t", i)); len(got) != 1 || got[0] != "queue_full queue narrow is full" {
			fx.Errorf("t%d: %q", i, got)
		}
	}
}
