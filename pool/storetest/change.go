package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var changeRules = []rule{
	{"ChangeReplacesThePayload", changeReplacesThePayload},
	{"ChangeOfPriorityIsBehindTheTasksThatHaveIt", changeOfPriorityIsBehind},
	{"ChangeToTheSamePriorityKeepsThePosition", changeToTheSamePriority},
	{"ChangeOfAScheduledTaskCountsWhenItIsDue", changeOfAScheduledTask},
	{"ChangeOfATaskThatWaitsForItsRetry", changeOfARetry},
	{"ChangeInAPausedQueueCountsAfterIt", changeInAPausedQueue},
	{"ChangeOfBlockedTasksKeepsTheLimitOfTheGroup", changeOfBlockedTasks},
	{"ChangeOfOtherTasksChangesNothing", changeOfOtherTasks},
	{"RetryWithAnEditHasItsPayloadAndPriority", retryWithAnEdit},
}

func (fx *fixture) change(e task.Edit, ids ...string) []task.Change {
	fx.Helper()
	cs, err := fx.Store.Change(fx.ctx, e, ids...)
	fx.noError(err)
	return cs
}

// reprioritize changes priorities that can be changed.
func (fx *fixture) reprioritize(priority int8, ids ...string) {
	fx.Helper()
	for i, c := range fx.change(task.Edit{Priority: &priority}, ids...) {
		if t := fx.get(ids[i]); !c.Done || c.ID != ids[i] || c.State != t.State || c.Err != nil || t.Priority != priority {
			fx.Errorf("%s of priority %d: change %+v", ids[i], t.Priority, c)
		}
	}
}

func changeReplacesThePayload(fx *fixture) {
	large := strings.Repeat("x", 100_000)
	for i, spec := range []task.Spec{
		{Payload: []byte("before")},
		{Payload: []byte(large), Headers: map[string]string{"h": "a\nb"}, Unique: "u", Retain: ptr(time.Hour)},
		{Delay: time.Hour, Deadline: 2 * time.Hour, Group: "g", Reply: true},
	} {
		spec.ID = fmt.Sprint("t", i)
		before := fx.get(fx.enqueue(spec))
		events := len(fx.events())
		for _, payload := range []string{"after\nit", large + "y", "", "last"} {
			if cs := fx.change(task.Edit{Payload: []byte(payload)}, spec.ID); !cs[0].Done || cs[0].State != before.State {
				fx.Errorf("change %+v", cs)
			}
			got := fx.get(spec.ID)
			if string(got.Payload) != payload {
				fx.Errorf("%s has a payload of %d bytes, want %d", spec.ID, len(got.Payload), len(payload))
			}
			if got.Version != before.Version || got.Headers["h"] != spec.Headers["h"] || got.Unique != before.Unique || got.Group != spec.Group ||
				!got.DueAt.Equal(before.DueAt) || !got.DeadlineAt.Equal(before.DeadlineAt) || got.Reply != spec.Reply {
				fx.Errorf("before %+v, after %+v", before, got)
			}
		}
		if after := len(fx.events()); after != events {
			fx.Errorf("%d events became %d", events, after)
		}
	}
	ts := fx.claim(task.DefaultQueue, 2)
	for _, t := range ts {
		if string(t.Payload) != "last" {
			fx.Errorf("%s started with the payload %q", t.ID, t.Payload)
		}
	}
	fx.wantIDs(ts, "t0", "t1")
}

func changeOfPriorityIsBehind(fx *fixture) {
	for _, id := range []string{"a", "b", "c", "d"} {
		fx.enqueue(task.Spec{ID: id})
	}
	fx.enqueueAll(task.Spec{ID: "high", Priority: 5}, task.Spec{ID: "low", Priority: -128})
	fx.reprioritize(5, "c", "b")
	fx.reprioritize(-128, "a")
	fx.reprioritize(127, "d")
	fx.enqueue(task.Spec{ID: "new", Priority: 5})
	fx.wantOrder(fx.drain(task.DefaultQueue), "d", "high", "c", "b", "new", "low", "a")
}

func changeToTheSamePriority(fx *fixture) {
	for _, id := range []string{"a", "b"} {
		fx.enqueue(task.Spec{ID: id, Priority: 3})
	}
	fx.reprioritize(3, "a")
	fx.change(task.Edit{Payload: []byte("p")}, "a")
	fx.wantOrder(fx.drain(task.DefaultQueue), "a", "b")
}

func changeOfAScheduledTask(fx *fixture) {
	due := time.Millisecond
	fx.enqueueAll(task.Spec{ID: "waits"}, task.Spec{ID: "low", Delay: due, Priority: 9}, task.Spec{ID: "high", Delay: due}, task.Spec{ID: "later", Delay: time.Hour})
	before := fx.get("later")
	for id, priority := range map[string]int8{"low": -9, "high": 9, "later": 9} {
		if cs := fx.change(task.Edit{Priority: &priority}, id); fx.get(id).Priority != priority {
			fx.Errorf("%s: %+v", id, cs)
		}
	}
	fx.waitPast(due)
	fx.wantOrder(fx.drain(task.DefaultQueue), "high", "waits", "low")
	if got := fx.wantState("later", task.Scheduled); !got.DueAt.Equal(before.DueAt) {
		fx.Errorf("due at %v, then at %v", before.DueAt, got.DueAt)
	}
}

func changeOfARetry(fx *fixture) {
	t := fx.start(task.Spec{ID: "again", Payload: []byte("bad")})
	fx.accept(failIn(t, time.Hour))
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b", Priority: 1})
	fx.change(task.Edit{Priority: ptr(int8(1)), Payload: []byte("good")}, "again")
	if got := fx.wantState("again", task.Scheduled); got.Failures != 1 || got.Attempt != 1 || got.Code != task.CodeError || string(got.Payload) != "good" {
		fx.Errorf("%+v", got)
	}
	fx.runNow("again")
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "again", "a")
}

func changeInAPausedQueue(fx *fixture) {
	fx.pause(task.QueueScope, task.DefaultQueue, true)
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	fx.reprioritize(1, "b")
	fx.wantIDs(fx.claim(task.DefaultQueue, 2))
	fx.pause(task.QueueScope, task.DefaultQueue, false)
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "a")
}

func changeOfBlockedTasks(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	member := func(id string) { fx.enqueue(task.Spec{ID: id, Group: "g"}) }
	member("runs")
	running := fx.claim(task.DefaultQueue, 1)
	for _, id := range []string{"a", "b", "c", "d"} {
		member(id)
	}
	fx.enqueue(task.Spec{ID: "other"})
	// All of the group are blocked.
	fx.reprioritize(1, "c", "d")
	fx.reprioritize(-1, "a")
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "other")
	fx.accept(succeed(running[0]))
	// c is the head, the others are blocked behind it.
	fx.reprioritize(2, "b")
	fx.reprioritize(-2, "c")
	fx.checkInspection()
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "d", "a", "c")
	// All in one call, the head included.
	for _, id := range []string{"e", "f", "g"} {
		member(id)
	}
	fx.reprioritize(7, "g", "e", "f")
	fx.reprioritize(-7, "g", "e")
	fx.checkInspection()
	fx.wantOrder(fx.drain(task.DefaultQueue), "f", "g", "e")
}

func changeOfOtherTasks(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "ended", Payload: []byte("p")}, task.Spec{ID: "runs", Payload: []byte("p")})
	fx.stop("ended")
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "runs")
	e := task.Edit{Priority: ptr(int8(9)), Payload: []byte("new")}
	for id, state := range map[string]task.State{"ended": task.Stopped, "runs": task.Running, "none": ""} {
		if c := fx.change(e, id)[0]; c.Done || c.State != state || c.Err != nil {
			fx.Errorf("%s: %+v", id, c)
		}
		if t := fx.find(id); t != nil && (t.Priority != 0 || string(t.Payload) != "p") {
			fx.Errorf("%s: %+v", id, t)
		}
	}
}

func retryWithAnEdit(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a", Payload: []byte("before"), Deadline: time.Hour, Headers: map[string]string{"h": "1"}}, task.Spec{ID: "b", Priority: 2})
	fx.stop("a")
	cs, err := fx.Store.Retry(fx.ctx, task.Edit{Payload: []byte("after"), Priority: ptr(int8(2))}, "a", "b")
	fx.noError(err)
	if !cs[0].Done || cs[0].State != task.Waiting || cs[1].Done || cs[1].State != task.Waiting {
		fx.Errorf("changes %+v", cs)
	}
	got := fx.wantState("a", task.Waiting)
	if string(got.Payload) != "after" || got.Priority != 2 || got.Generation != 1 || got.Headers["h"] != "1" || !got.DeadlineAt.IsZero() {
		fx.Errorf("%+v", got)
	}
	if b := fx.get("b"); len(b.Payload) != 0 {
		fx.Errorf("the live task has the payload %q", b.Payload)
	}
	fx.wantOrder(fx.drain(task.DefaultQueue), "b", "a")
}
