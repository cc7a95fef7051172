package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var personRules = []rule{
	{"RetryByAPersonIsANewGeneration", retryIsANewGeneration},
	{"RetryWorksInEveryTerminalState", retryWorksInEveryTerminalState},
	{"RetryOfALiveTaskChangesNothing", retryOfALiveTask},
	{"RetriedTaskStartsAfterTheWaitingOnes", retriedTaskStartsLast},
	{"DeleteRemovesEndedTasksOnly", deleteRemovesEndedTasksOnly},
	{"DeletedTaskLeavesNothing", deletedTaskLeavesNothing},
}

func retryIsANewGeneration(b *bundle) {
	t := b.start(task.Spec{ID: "x", MaxAttempts: 2, TTL: time.Hour, Deadline: time.Hour, Payload: []byte("p")})
	b.updates(t, "half", false)
	b.accept(failIn(t, 0))
	t = b.claim(task.DefaultQueue, 1)[0]
	b.accept(failIn(t, 0))
	before := b.wantState("x", task.Failed)
	if c := b.retry("x"); !c.Done || c.State != task.Waiting || c.Err != nil {
		b.Errorf("change %+v", c)
	}
	got := b.wantState("x", task.Waiting)
	if got.Generation != 1 || got.Failures != 0 || got.Lost != 0 || got.Attempt != 2 || got.Version != before.Version+1 ||
		got.Error != "" || got.Code != "" || got.Progress != nil || !got.EndedAt.IsZero() || string(got.Payload) != "p" ||
		!got.ExpiresAt.IsZero() || !got.DeadlineAt.IsZero() {
		b.Errorf("the next generation: %+v", got)
	}
	t = b.claim(task.DefaultQueue, 1)[0]
	if t.Attempt != 3 {
		b.Errorf("attempt %d, want 3", t.Attempt)
	}
	b.accept(failIn(t, 0))
	b.wantState("x", task.Waiting)
}

func retryWorksInEveryTerminalState(b *bundle) {
	b.accept(succeed(b.start(task.Spec{ID: "succeeded", Retain: ptr(time.Hour)})))
	b.accept(fail(b.start(task.Spec{ID: "failed"}), task.CodePermanent))
	b.enqueue(task.Spec{ID: "expired", TTL: time.Millisecond, Delay: time.Hour})
	b.enqueue(task.Spec{ID: "stopped", Group: "g"})
	b.stop("stopped")
	b.passes(time.Millisecond)
	b.maintain()
	for _, id := range []string{"succeeded", "failed", "expired", "stopped"} {
		b.wantState(id, task.State(id))
		if c := b.retry(id); !c.Done {
			b.Errorf("%s: %+v", id, c)
		}
		got := b.claim(task.DefaultQueue, 1)
		b.wantIDs(got, id)
		b.accept(failIn(got[0], time.Hour))
		b.wantState(id, task.Scheduled)
	}
	if s := b.stats(); s.Retried != 4 {
		b.Errorf("%d retried", s.Retried)
	}
}

func retryOfALiveTask(b *bundle) {
	b.enqueueAll(task.Spec{ID: "scheduled", Delay: time.Hour}, task.Spec{ID: "runs"}, task.Spec{ID: "waits"})
	b.wantIDs(b.claim(task.DefaultQueue, 1), "runs")
	for id, state := range map[string]task.State{"scheduled": task.Scheduled, "runs": task.Running, "waits": task.Waiting, "none": ""} {
		if c := b.retry(id); c.Done || c.State != state {
			b.Errorf("%s: %+v", id, c)
		}
	}
}

func retriedTaskStartsLast(b *bundle) {
	b.enqueue(task.Spec{ID: "a"})
	b.stop("a")
	b.enqueueAll(task.Spec{ID: "b"}, task.Spec{ID: "c"})
	b.retry("a")
	b.enqueue(task.Spec{ID: "d"})
	b.wantOrder(b.drain(task.DefaultQueue), "b", "c", "a", "d")
}

func deleteRemovesEndedTasksOnly(b *bundle) {
	b.enqueueAll(task.Spec{ID: "scheduled", Delay: time.Hour}, task.Spec{ID: "runs"}, task.Spec{ID: "waits"})
	b.claim(task.DefaultQueue, 1)
	for id, state := range map[string]task.State{"scheduled": task.Scheduled, "runs": task.Running, "waits": task.Waiting, "none": ""} {
		if c := b.remove(id); c.Done || c.State != state {
			b.Errorf("%s: %+v", id, c)
		}
	}
	b.wantState("waits", task.Waiting)
}

func deletedTaskLeavesNothing(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	full := func(id string) task.Spec {
		return task.Spec{ID: id, Group: "g", Unique: "u-" + id, TTL: time.Hour, Deadline: 2 * time.Hour,
			Headers: map[string]string{"a": "b"}, Retain: ptr(time.Hour), Queue: "q"}
	}
	t := b.start(full("x"))
	b.updates(t, "half", false)
	b.accept(failIn(t, 0))
	r := succeed(b.claim("q", 1)[0])
	r.Result = []byte("result")
	b.accept(r)
	b.start(full("holder"))
	b.enqueue(full("parked"))
	b.stop("parked")
	b.enqueue(full("scheduled"))
	b.stop("scheduled")
	for _, id := range []string{"x", "parked", "scheduled"} {
		if c := b.remove(id); !c.Done || c.State != "" {
			b.Errorf("%s: %+v", id, c)
		}
		b.wantNoTrace(id)
		if c := b.remove(id); c.Done || c.State != "" {
			b.Errorf("%s again: %+v", id, c)
		}
	}
}
