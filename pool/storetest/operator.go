package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var operatorRules = []rule{
	{"RetryByAnOperatorStartsANewGeneration", retryIsANewGeneration},
	{"RetryWorksInEveryTerminalState", retryWorksInEveryTerminalState},
	{"RetryOfALiveTaskChangesNothing", retryOfALiveTask},
	{"RetriedTaskStartsAfterTheWaitingOnes", retriedTaskStartsLast},
	{"DeleteRemovesEndedTasksOnly", deleteRemovesEndedTasksOnly},
	{"DeletedTaskLeavesNothing", deletedTaskLeavesNothing},
}

func retryIsANewGeneration(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 2, TTL: time.Hour, Deadline: time.Hour, Payload: []byte("p")})
	fx.sendUpdate(t, "half", false)
	fx.accept(failIn(t, 0))
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.accept(failIn(t, 0))
	before := fx.wantState("x", task.Failed)
	if c := fx.retry("x"); !c.Done || c.State != task.Waiting || c.Err != nil {
		fx.Errorf("change %+v", c)
	}
	got := fx.wantState("x", task.Waiting)
	if got.Generation != 1 || got.Failures != 0 || got.Lost != 0 || got.Attempt != 2 || got.Version != before.Version+1 ||
		got.Error != "" || got.Code != "" || got.Progress != nil || !got.EndedAt.IsZero() || string(got.Payload) != "p" ||
		!got.ExpiresAt.IsZero() || !got.DeadlineAt.IsZero() {
		fx.Errorf("the next generation: %+v", got)
	}
	t = fx.claim(task.DefaultQueue, 1)[0]
	if t.Attempt != 3 {
		fx.Errorf("attempt %d, want 3", t.Attempt)
	}
	fx.accept(failIn(t, 0))
	fx.wantState("x", task.Waiting)
}

func retryWorksInEveryTerminalState(fx *fixture) {
	fx.accept(succeed(fx.start(task.Spec{ID: "succeeded", Retain: ptr(time.Hour)})))
	fx.accept(fail(fx.start(task.Spec{ID: "failed"}), task.CodePermanent))
	fx.enqueue(task.Spec{ID: "expired", TTL: time.Millisecond})
	fx.enqueue(task.Spec{ID: "stopped", Group: "g"})
	fx.stop("stopped")
	fx.waitPast(time.Millisecond)
	fx.maintain()
	for _, id := range []string{"succeeded", "failed", "expired", "stopped"} {
		fx.wantState(id, task.State(id))
		if c := fx.retry(id); !c.Done {
			fx.Errorf("%s: %+v", id, c)
		}
		got := fx.claim(task.DefaultQueue, 1)
		fx.wantIDs(got, id)
		fx.accept(failIn(got[0], time.Hour))
		fx.wantState(id, task.Scheduled)
	}
	if s := fx.stats(); s.Retried != 4 {
		fx.Errorf("%d retried", s.Retried)
	}
}

func retryOfALiveTask(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "scheduled", Delay: time.Hour}, task.Spec{ID: "runs"}, task.Spec{ID: "waits"})
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "runs")
	for id, state := range map[string]task.State{"scheduled": task.Scheduled, "runs": task.Running, "waits": task.Waiting, "none": ""} {
		if c := fx.retry(id); c.Done || c.State != state {
			fx.Errorf("%s: %+v", id, c)
		}
	}
}

func retriedTaskStartsLast(fx *fixture) {
	fx.enqueue(task.Spec{ID: "a"})
	fx.stop("a")
	fx.enqueueAll(task.Spec{ID: "b"}, task.Spec{ID: "c"})
	fx.retry("a")
	fx.enqueue(task.Spec{ID: "d"})
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "c", "a", "d")
}

func deleteRemovesEndedTasksOnly(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "scheduled", Delay: time.Hour}, task.Spec{ID: "runs"}, task.Spec{ID: "waits"})
	fx.claim(task.DefaultQueue, 1)
	for id, state := range map[string]task.State{"scheduled": task.Scheduled, "runs": task.Running, "waits": task.Waiting, "none": ""} {
		if c := fx.remove(id); c.Done || c.State != state {
			fx.Errorf("%s: %+v", id, c)
		}
	}
	fx.wantState("waits", task.Waiting)
}

func deletedTaskLeavesNothing(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	full := func(id string) task.Spec {
		return task.Spec{ID: id, Group: "g", Unique: "u-" + id, TTL: time.Hour, Deadline: 2 * time.Hour,
			Headers: map[string]string{"a": "b"}, Retain: ptr(time.Hour), Queue: "q"}
	}
	t := fx.start(full("x"))
	fx.sendUpdate(t, "half", false)
	fx.accept(failIn(t, 0))
	r := succeed(fx.claim("q", 1)[0])
	r.Result = []byte("result")
	fx.accept(r)
	fx.start(full("holder"))
	fx.enqueue(full("blocked"))
	fx.stop("blocked")
	fx.enqueue(full("scheduled"))
	fx.stop("scheduled")
	for _, id := range []string{"x", "blocked", "scheduled"} {
		if c := fx.remove(id); !c.Done || c.State != "" {
			fx.Errorf("%s: %+v", id, c)
		}
		fx.wantNoTrace(id)
		if c := fx.remove(id); c.Done || c.State != "" {
			fx.Errorf("%s again: %+v", id, c)
		}
	}
}
