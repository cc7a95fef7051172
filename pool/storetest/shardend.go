package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var shardEndRules = []rule{
	{"ParentFailsWhenAllItsShardsHaveEnded", parentFails},
	{"FailFastEndsTheParentAtOnce", failFast},
	{"ChildOfAnEndedParentDoesNotStart", childOfAnEndedParent},
	{"StopOfAParentStopsItsChildren", stopOfAParent},
	{"DeadlineEndsAParent", deadlineEndsAParent},
	{"RetryOfAParentRunsWhatFailed", retryOfAParent},
	{"RetryOfAParentCanRunAllShards", retryOfAllShards},
	{"RetryContinuesWhereTheParentEnded", retryContinues},
	{"RetryWaitsForChildrenThatAreStopping", retryWaitsForStops},
	{"RetriedChildLeavesItsParentAlone", retriedChild},
	{"ReusedChildIDChangesNothing", reusedChildID},
	{"ParentWithTheIDOfAnEarlierOne", reusedParentID},
	{"ExportOfAChildIsRepeatedByARetryOfItsParent", exportOfAChild},
	{"RepeatedRetryOfAParentHasOneEffect", repeatedRetry},
}

func final(t *task.Task) task.Report { return fail(t, task.CodePermanent) }

func parentFails(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 4, MaxAttempts: 1})
	children := fx.children(3)
	fx.accept(final(children[0]))
	fx.stop("p/3")
	fx.accept(fail(children[1], task.CodeError))
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Failed: 2, Stopped: 1})
	fx.wantState("p", task.Running)
	fx.accept(succeed(children[2]))
	p := fx.wantEnd("p", task.Failed, task.CodeChildren)
	if !strings.HasPrefix(p.Error, "of 4 shards 2 failed, 1 stopped; the first: p/0: ") {
		fx.Errorf("error %q", p.Error)
	}
	fx.checkTotals()
	fx.checkInspection()
}

func failFast(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 700, FailFast: true})
	children := fx.children(3)
	fx.accept(succeed(children[0]))
	fx.accept(final(children[1]))
	p := fx.wantEnd("p", task.Failed, task.CodeChildren)
	if !strings.HasPrefix(p.Error, "of 700 shards 1 failed; the first: p/1: ") {
		fx.Errorf("error %q", p.Error)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Succeeded: 1, Failed: 1, Stopped: 698})
	fx.wantStops(children[2].Replica, nil, attempt(children[2]))
	fx.accept(final(children[2]))
	fx.wantEnd("p/2", task.Stopped, task.CodeStopped)
	fx.wantEnd("p/699", task.Stopped, task.CodeStopped)
	if ends := slices.DeleteFunc(fx.eventsOf("p"), func(e task.Event) bool { return !e.State.Terminal() }); len(ends) != 1 {
		fx.Errorf("the parent ended %d times", len(ends))
	}
	fx.checkTotals()
	fx.checkInspection()
}

// A child may wait in a line, for a backoff, or run and fail once more, before the pages of
// stops reach it.
func childOfAnEndedParent(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 4, FailFast: true, Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
	children := fx.children(3)
	fx.accept(failIn(children[0], time.Hour))
	r := failIn(children[1], 0)
	r.InPlace = true
	fx.accept(final(children[2]))
	fx.verdict(r, task.Accepted)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.wantEnd("p/1", task.Stopped, task.CodeStopped)
	fx.wantEnd("p/3", task.Stopped, task.CodeStopped)
	fx.runNow("p/0")
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.wantEnd("p/0", task.Stopped, task.CodeStopped)
	fx.spread()
	fx.checkInspection()
}

func stopOfAParent(fx *fixture) {
	fx.enqueue(task.Spec{ID: "p", Kind: "k", Shards: 900, Retain: new(time.Hour)})
	_, err := fx.Store.Spread(fx.ctx)
	fx.noError(err)
	running := fx.children(1)[0]
	if c := fx.stop("p"); !c.Done || c.State != task.Stopped {
		fx.Errorf("stop: %+v", c)
	}
	if p := fx.wantEnd("p", task.Stopped, task.CodeStopped); p.Error != "enough" {
		fx.Errorf("error %q", p.Error)
	}
	if c := fx.stop("p"); c.Done {
		fx.Errorf("second stop: %+v", c)
	}
	fx.spread()
	fx.wantStops(running.Replica, nil, attempt(running))
	for _, c := range fx.list(task.Filter{Parent: "p", States: []task.State{task.Waiting}}) {
		fx.Fatalf("%s waits", c)
	}
	fx.wantCounts("p", task.ShardCounts{Stopped: 500, Unmade: 400})

	fx.enqueue(task.Spec{ID: "held", Kind: "k", Shards: 2, Hold: true})
	fx.stop("held")
	fx.wantEnd("held", task.Stopped, task.CodeStopped)
	fx.spread()
	fx.wantCounts("held", task.ShardCounts{Unmade: 2})
}

func deadlineEndsAParent(fx *fixture) {
	fx.parent(task.Spec{ID: "later", Kind: "k", Shards: 2, Deadline: time.Hour})
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, Deadline: 300 * time.Millisecond})
	fx.waitPast(301 * time.Millisecond)
	fx.maintain()
	fx.wantState("later", task.Running)
	fx.wantEnd("p", task.Failed, task.CodeDeadline)
	fx.spread()
	if got := fx.list(task.Filter{Parent: "p", States: []task.State{task.Waiting}}); len(got) > 0 {
		fx.Errorf("%v wait", got)
	}
	if n := len(fx.eventsOf("p")); n != 2 {
		fx.Errorf("%d events", n)
	}
}

func retryOfAParent(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3, MaxAttempts: 1, Retain: new(time.Hour), Payload: []byte("old")})
	for i, c := range fx.children(3) {
		if i == 1 {
			fx.accept(final(c))
			continue
		}
		r := succeed(c)
		r.Result = []byte(`"first"`)
		fx.accept(r)
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	priority := int8(9)
	cs, err := fx.Store.Retry(fx.ctx, task.Edit{Priority: &priority, Payload: []byte("new")}, "p")
	fx.noError(err)
	if c := cs[0]; !c.Done || c.State != task.Running {
		fx.Errorf("retry: %+v", c)
	}
	fx.wantCounts("p", task.ShardCounts{Succeeded: 2, Unmade: 1})
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Succeeded: 2, Pending: 1})
	c := fx.children(1)[0]
	if c.ID != "p/1" || c.Generation != 1 || string(c.Payload) != "new" || c.Priority != 9 {
		fx.Errorf("child %+v", c)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	r := succeed(c)
	r.Result = []byte(`"second"`)
	fx.accept(r)
	p := fx.wantEnd("p", task.Succeeded, task.CodeOK)
	if p.Generation != 1 || string(p.Result) != `["first","second","first"]` {
		fx.Errorf("generation %d, result %s", p.Generation, p.Result)
	}
	fx.checkTotals()
	fx.checkInspection()
}

func retryOfAllShards(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, Retain: new(time.Hour)})
	for _, c := range fx.children(2) {
		fx.accept(succeed(c))
	}
	// A parent that has succeeded runs all shards again, and so does one that failed if asked.
	fx.retry("p")
	fx.spread()
	children := fx.children(2)
	fx.accept(succeed(children[0]))
	fx.accept(final(children[1]))
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	_, err := fx.Store.Retry(fx.ctx, task.Edit{AllShards: true}, "p")
	fx.noError(err)
	fx.spread()
	for _, c := range fx.children(2) {
		if c.Generation != 2 {
			fx.Errorf("%s has the generation %d", c.ID, c.Generation)
		}
		fx.accept(succeed(c))
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
}

func retryContinues(fx *fixture) {
	fx.enqueue(task.Spec{ID: "p", Kind: "k", Shards: 600, FailFast: true, MaxAttempts: 1, Retain: new(time.Hour)})
	_, err := fx.Store.Spread(fx.ctx)
	fx.noError(err)
	fx.accept(final(fx.children(1)[0]))
	fx.spread() // it stops the others, and only then the parent can be retried
	fx.retry("p")
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 600})
	// Deleted children are made again.
	fx.accept(final(fx.children(1)[0]))
	fx.spread()
	fx.remove("p/0")
	fx.remove("p/1")
	fx.retry("p")
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 600})
	for left := 600; left > 0; {
		got := fx.claim(task.DefaultQueue, 200)
		for _, c := range got {
			fx.accept(succeed(c))
		}
		left -= len(got)
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	fx.checkTotals()
	fx.checkInspection()
}

func retryWaitsForStops(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, FailFast: true, MaxAttempts: 1})
	children := fx.children(2)
	fx.accept(final(children[0]))
	fx.spread()
	fx.retry("p")
	next, err := fx.Store.Spread(fx.ctx)
	fx.noError(err)
	if next < 100*time.Millisecond {
		fx.Errorf("the next step follows in %v", next)
	}
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Unmade: 1})
	fx.accept(final(children[1]))
	fx.wantEnd("p/1", task.Stopped, task.CodeStopped)
	fx.wantState("p", task.Running)
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	for _, c := range fx.children(2) {
		fx.accept(succeed(c))
	}
	if p := fx.find("p"); p != nil {
		fx.Errorf("the parent is %s: %s", p.State, p.Error)
	}
}

func retriedChild(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, MaxAttempts: 1})
	children := fx.children(2)
	fx.accept(final(children[0]))
	fx.retry("p/0")
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Failed: 1})
	again := fx.children(1)[0]
	fx.accept(succeed(again))
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Failed: 1})
	fx.accept(final(children[1]))
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	v := fx.get("p").Version
	fx.retry("p/1")
	fx.spread()
	fx.accept(succeed(fx.children(1)[0]))
	if p := fx.wantEnd("p", task.Failed, task.CodeChildren); p.Version != v {
		fx.Errorf("version %d, want %d", p.Version, v)
	}
	fx.checkInspection()
}

func reusedChildID(fx *fixture) {
	fx.enqueue(task.Spec{ID: "p/1"})
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, MaxAttempts: 1})
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Failed: 1})
	for _, c := range fx.children(2) {
		fx.accept(succeed(c))
	}
	if p := fx.wantEnd("p", task.Failed, task.CodeChildren); !strings.Contains(p.Error, "p/1: its id is that of another task") {
		fx.Errorf("error %q", p.Error)
	}

	fx.parent(task.Spec{ID: "q", Kind: "k", Shards: 2})
	children := fx.children(2)
	fx.accept(final(children[0]))
	fx.remove("q/0")
	fx.accept(succeed(fx.start(task.Spec{ID: "q/0"})))
	fx.wantCounts("q", task.ShardCounts{Pending: 1, Failed: 1})
	fx.accept(succeed(children[1]))
	fx.wantEnd("q", task.Failed, task.CodeChildren)
}

func reusedParentID(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3, FailFast: true, MaxAttempts: 1, Payload: []byte("old")})
	children := fx.children(2)
	fx.accept(final(children[0]))
	fx.remove("p")
	if r := fx.enqueueAll(task.Spec{ID: "p", Kind: "k", Shards: 3})[0]; r.Err == nil || !strings.Contains(r.Err.Error(), "earlier parent") {
		fx.Errorf("receipt %+v", r)
	}
	fx.spread()
	fx.waitPast(time.Millisecond)
	fx.enqueue(task.Spec{ID: "p", Kind: "k", Shards: 3, Payload: []byte("new")})
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Unmade: 2}) // the second one still stops
	fx.accept(succeed(children[1]))
	fx.wantCounts("p", task.ShardCounts{Pending: 1, Unmade: 2})
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	for _, c := range fx.children(3) {
		if string(c.Payload) != "new" || c.Attempt != 1 {
			fx.Errorf("child %+v", c)
		}
		fx.accept(succeed(c))
	}
	if fx.find("p") != nil {
		fx.Error("the parent has not succeeded")
	}
	fx.checkTotals()
	fx.checkInspection()
}

func exportOfAChild(fx *fixture) {
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 1})
	fx.accept(stage(fx.children(1)[0], "kept"))
	fx.accept(ofSave(final(fx.toSave())))
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	fx.retry("p")
	fx.spread()
	fx.wantState("p/0", task.Exporting)
	fx.accept(saved(fx.toSave(), `"ref"`))
	if p := fx.wantEnd("p", task.Succeeded, task.CodeOK); string(p.Result) != `["ref"]` {
		fx.Errorf("result %s", p.Result)
	}
}

func repeatedRetry(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 2, MaxAttempts: 1})
	for _, c := range fx.children(2) {
		fx.accept(final(c))
	}
	fx.retry("p")
	if c := fx.retry("p"); c.Done || c.State != task.Running {
		fx.Errorf("second retry: %+v", c)
	}
	if p := fx.get("p"); p.Generation != 1 {
		fx.Errorf("generation %d", p.Generation)
	}
}
