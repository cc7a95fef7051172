package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var runNowRules = []rule{
	{"RunNowPutsAScheduledTaskIntoItsQueue", runNowIsWaiting},
	{"RunNowOfATaskThatWaitsForItsRetryKeepsItsPosition", runNowKeepsThePosition},
	{"RunNowFollowsPriorityAndOrder", runNowFollowsTheOrder},
	{"RunNowKeepsTheLimitOfTheGroup", runNowKeepsTheGroupsLimit},
	{"RunNowKeepsTTLAndDeadline", runNowKeepsTTLAndDeadline},
	{"RunNowOfOtherTasksChangesNothing", runNowOfOtherTasks},
}

func (fx *fixture) runNow(id string) task.Change {
	fx.Helper()
	cs, err := fx.Store.RunNow(fx.ctx, id)
	fx.noError(err)
	return cs[0]
}

func runNowIsWaiting(fx *fixture) {
	for _, spec := range []task.Spec{
		{ID: "delay", Delay: time.Hour, Payload: []byte("p"), Headers: map[string]string{"h": "1"}},
		{ID: "run-at", RunAt: fx.Now(fx).Add(time.Hour)},
		{ID: "reply", Delay: time.Hour, Reply: true, Unique: "u"},
	} {
		id := fx.enqueue(spec)
		before := fx.wantState(id, task.Scheduled)
		if c := fx.runNow(id); !c.Done || c.State != task.Waiting || c.Err != nil {
			fx.Errorf("%s: change %+v", id, c)
		}
		got := fx.wantState(id, task.Waiting)
		if got.Version != before.Version+1 || got.Attempt != 0 || string(got.Payload) != string(spec.Payload) ||
			got.Headers["h"] != spec.Headers["h"] || !got.DueAt.Before(before.DueAt) || got.DueAt.Before(got.CreatedAt) {
			fx.Errorf("%s: %+v", id, got)
		}
		es := fx.eventsOf(id)
		if n := len(es); n != 2 || es[1].State != task.Waiting || es[1].Version != got.Version || es[1].Code != "" {
			fx.Errorf("%s: events %+v", id, es)
		}
		fx.wantIDs(fx.claim(task.DefaultQueue, 2), id)
		if es := fx.eventsOf(id); es[2].Wait > time.Minute {
			fx.Errorf("%s waited for %v", id, es[2].Wait)
		}
	}
	fx.checkTotals()
	fx.checkInspection()
}

func runNowKeepsThePosition(fx *fixture) {
	fx.checkPosition(task.Spec{}, func(t *task.Task) {
		fx.accept(failIn(t, time.Hour))
		if c := fx.runNow(t.ID); !c.Done {
			fx.Errorf("change %+v", c)
		}
		if got := fx.wantState(t.ID, task.Waiting); got.Failures != 1 || got.Attempt != 1 || got.Code != task.CodeError {
			fx.Errorf("the task that waits for its second attempt: %+v", got)
		}
	})
	fx.checkPosition(task.Spec{}, func(t *task.Task) {
		fx.accept(release(t, time.Hour))
		fx.runNow(t.ID)
	})
}

func runNowFollowsTheOrder(fx *fixture) {
	later := func(id string, priority int8) { fx.enqueue(task.Spec{ID: id, Priority: priority, Delay: time.Hour}) }
	later("low", -1)
	later("first", 0)
	later("second", 0)
	later("high", 1)
	fx.enqueue(task.Spec{ID: "waits"})
	_, err := fx.Store.RunNow(fx.ctx, "low", "second", "high", "first")
	fx.noError(err)
	fx.wantOrder(fx.drain(task.DefaultQueue), "high", "waits", "second", "first", "low")
}

func runNowKeepsTheGroupsLimit(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "a", Group: "g", Delay: time.Hour}, task.Spec{ID: "b", Group: "g", Delay: time.Hour})
	_, err := fx.Store.RunNow(fx.ctx, "a", "b")
	fx.noError(err)
	got := fx.claim(task.DefaultQueue, 2)
	fx.wantIDs(got, "a")
	fx.enqueue(task.Spec{ID: "c", Group: "g", Delay: time.Hour})
	fx.runNow("c")
	fx.wantIDs(fx.claim(task.DefaultQueue, 2))
	fx.accept(succeed(got[0]))
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "c")
	fx.checkInspection()
}

func runNowKeepsTTLAndDeadline(fx *fixture) {
	fx.pause(task.QueueScope, task.DefaultQueue, true)
	fx.enqueueAll(task.Spec{ID: "ttl", Delay: shortLease / 2, TTL: shortLease},
		task.Spec{ID: "deadline", Delay: shortLease / 2, Deadline: shortLease}, task.Spec{ID: "neither", Delay: time.Hour})
	_, err := fx.Store.RunNow(fx.ctx, "ttl", "deadline", "neither")
	fx.noError(err)
	fx.waitPast(shortLease)
	fx.maintain()
	fx.wantEnd("ttl", task.Expired, task.CodeExpired)
	fx.wantEnd("deadline", task.Expired, task.CodeExpired)
	fx.wantState("neither", task.Waiting)
}

func runNowOfOtherTasks(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "ended"}, task.Spec{ID: "runs"}, task.Spec{ID: "waits"})
	fx.stop("ended")
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "runs")
	before := len(fx.events())
	for id, state := range map[string]task.State{"ended": task.Stopped, "runs": task.Running, "waits": task.Waiting, "none": ""} {
		if c := fx.runNow(id); c.Done || c.State != state {
			fx.Errorf("%s: %+v", id, c)
		}
	}
	if after := len(fx.events()); after != before {
		fx.Errorf("%d events became %d", before, after)
	}
}
