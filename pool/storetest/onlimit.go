package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var onLimitRules = []rule{
	{"FailOnLimitCountsRunningAndWaitingTasksOfTheQueue", failOnLimitOfAQueue},
	{"FailOnLimitCountsTasksOfTheGroup", failOnLimitOfAGroup},
	{"FailOnLimitCountsTasksOfThePool", failOnLimitOfThePool},
	{"FailOnLimitWithoutALimitNeverFails", failOnLimitWithoutALimit},
	{"FailOnLimitFailsInAPausedQueue", failOnLimitInAPausedQueue},
	{"FailOnLimitLeavesNothing", failOnLimitLeavesNothing},
	{"FailOnLimitRejectsEntries", failOnLimitRejectsEntries},
	{"FailOnLimitAndALaterStartAreRefused", failOnLimitAndALaterStart},
}

// orFail enqueues tasks that must not wait, in one call, and checks which of them the limit
// refuses. want has "ok" or what is limited per task.
func (fx *fixture) orFail(specs []task.Spec, want ...string) {
	fx.Helper()
	for i := range specs {
		specs[i].FailOnLimit = true
	}
	for i, r := range fx.enqueueAll(specs...) {
		got := "ok"
		if r.Err != nil {
			got = strings.TrimPrefix(r.Err.Error(), "limit is reached: ")
		}
		if got != want[i] || (got == "ok") != (r.State == task.Waiting) || (got == "ok") == errors.Is(r.Err, task.ErrLimitReached) {
			fx.Errorf("task %d: %+v, want %s", i, r, want[i])
		}
	}
}

func failOnLimitOfAQueue(fx *fixture) {
	const full = "queue default"
	fx.limit(task.QueueScope, task.DefaultQueue, 3)
	running := fx.start(task.Spec{ID: "runs"})
	fx.orFail([]task.Spec{{ID: "a"}, {ID: "b"}, {ID: "c"}}, "ok", "ok", full)
	fx.orFail([]task.Spec{{ID: "c", Priority: 1}, {Priority: -1}, {Priority: 1}, {Priority: 2}, {Queue: "q"}}, "ok", full, "ok", "ok", "ok")
	fx.stopAll("a", "b", "c")
	ts := fx.claim(task.DefaultQueue, 9)
	fx.orFail([]task.Spec{{Priority: 127}}, full)
	fx.accept(succeed(running))
	fx.accept(succeedAll(ts)...)
	fx.orFail([]task.Spec{{}}, "ok")
}

func failOnLimitOfAGroup(fx *fixture) {
	const full = "group g"
	fx.limit(task.GroupScope, "g", 2)
	running := fx.start(task.Spec{ID: "runs", Group: "g", Queue: "q"})
	fx.orFail([]task.Spec{{ID: "a", Group: "g"}, {Group: "g"}, {Group: "g.h"}, {ID: "u", Group: "g", Priority: 1}}, "ok", full, "ok", "ok")
	// Blocked tasks of a full group take no places of the queue.
	fx.claim(task.DefaultQueue, 1)
	for i := range 5 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("blocked", i), Group: "g"})
	}
	fx.limit(task.QueueScope, task.DefaultQueue, 4)
	fx.orFail([]task.Spec{{Priority: 5}, {Group: "g", Priority: 9}}, "ok", full)
	fx.accept(succeed(running))
	fx.orFail([]task.Spec{{Group: "g"}}, full)
	fx.orFail([]task.Spec{{ID: "urgent", Group: "g", Priority: 9}}, "ok")
}

func failOnLimitOfThePool(fx *fixture) {
	fx.limit(task.PoolScope, "", 1)
	t := fx.start(task.Spec{Queue: "q"})
	fx.orFail([]task.Spec{{}}, "pool")
	fx.accept(succeed(t))
	fx.orFail([]task.Spec{{ID: "a"}, {ID: "b"}}, "ok", "pool")
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "a")
}

func failOnLimitWithoutALimit(fx *fixture) {
	fx.enqueueAll(task.Spec{}, task.Spec{Group: "g"})
	fx.orFail([]task.Spec{{}, {Group: "g"}, {ID: "a", Unique: "u"}}, "ok", "ok", "ok")
	if got := fx.get("a"); got.FailOnLimit {
		fx.Errorf("%+v", got)
	}
}

func failOnLimitInAPausedQueue(fx *fixture) {
	fx.pause(task.QueueScope, task.DefaultQueue, true)
	fx.orFail([]task.Spec{{}, {Queue: "q"}}, "queue default is paused", "ok")
	fx.pause(task.QueueScope, task.DefaultQueue, false)
	fx.orFail([]task.Spec{{}}, "ok")
}

func failOnLimitLeavesNothing(fx *fixture) {
	fx.limit(task.QueueScope, task.DefaultQueue, 1)
	fx.start(task.Spec{ID: "runs", Unique: "v"})
	events := len(fx.events())
	fx.orFail([]task.Spec{{ID: "a", Unique: "u", TTL: time.Hour}}, "queue default")
	fx.wantNoTrace("a")
	if after := len(fx.events()); after != events {
		fx.Errorf("%d events became %d", events, after)
	}
	// A duplicate is no refusal.
	rs := fx.enqueueAll(task.Spec{ID: "runs", FailOnLimit: true}, task.Spec{Unique: "v", FailOnLimit: true})
	for _, r := range rs {
		if !r.Duplicate || r.ID != "runs" || r.Err != nil {
			fx.Errorf("receipt %+v", r)
		}
	}
	if r := fx.enqueueAll(task.Spec{ID: "a", Unique: "u"})[0]; r.Duplicate || r.Err != nil {
		fx.Errorf("receipt %+v", r)
	}
}

func failOnLimitRejectsEntries(fx *fixture) {
	fx.limit(task.QueueScope, task.DefaultQueue, 1)
	fx.Push(fx, `{"kind":"k","id":"a","on_limit":"fail"}`, `{"kind":"k","id":"b","on_limit":"fail","reply":true}`, `{"kind":"k","id":"c","on_limit":"wait"}`,
		`{"kind":"k","on_limit":"never"}`, `{"kind":"k","on_limit":"fail","hold":true}`)
	fx.admit()
	want := []string{"limit is reached: queue default", `on_limit must be "wait" or "fail"`, "hold and on_limit cannot both be set: the task would not start now"}
	got := fx.Rejects(fx)
	if strings.Join(got, "\n") != strings.Join([]string{want[1], want[2], want[0]}, "\n") && strings.Join(got, "\n") != strings.Join(want, "\n") {
		fx.Errorf("rejected %q, want %q", got, want)
	}
	fx.wantReply("b", "rejected", "limit_reached")
	fx.wantOrder(fx.drain(task.DefaultQueue), "a", "c")
}

func failOnLimitAndALaterStart(fx *fixture) {
	for field, spec := range map[string]task.Spec{"delay": {Delay: time.Hour}, "run_at": {RunAt: fx.Now(fx).Add(time.Hour)}, "hold": {Hold: true}} {
		spec.Kind, spec.FailOnLimit = "k", true
		var wrong *task.FieldError
		if _, err := fx.Store.Enqueue(fx.ctx, []task.Spec{spec}); !errors.As(err, &wrong) || wrong.Field != field {
			fx.Errorf("%s: %v, want a field error", field, err)
		}
	}
}
