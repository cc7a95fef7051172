package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// These rules are about children that an operator has retried by themselves before their parent
// is retried.
var shardStaleRules = []rule{
	{"ChildThatRanWithAnotherPayloadRunsAgain", ranWithAnotherPayload},
	{"ChildThatRanForAnotherReplicaRunsAgain", ranForAnotherReplica},
	{"ChildOfAnEarlierParentRunsAgain", ranForAnEarlierParent},
	{"ChildrenWithAnotherPayloadAreStoppedTogether", stoppedTogether},
	{"ReasonOfAStopNamesTheDifference", reasonOfAStop},
	{"ResultOfAnotherPayloadIsNotExported", resultOfAnotherPayload},
}

// retryWith retries a parent with a payload.
func (fx *fixture) retryWith(id, payload string) {
	fx.Helper()
	cs, err := fx.Store.Retry(fx.ctx, task.Edit{Payload: []byte(payload)}, id)
	fx.noError(err)
	if !cs[0].Done {
		fx.Fatalf("retry of %s: %+v", id, cs[0])
	}
}

// failedParent makes a parent with the payload "old" whose children have failed.
func (fx *fixture) failedParent(shards int) {
	fx.Helper()
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: shards, Payload: []byte("old"), Retain: new(time.Hour)})
	for _, c := range fx.children(shards) {
		fx.accept(final(c))
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
}

// finish succeeds with n children, which have the payload "new", and checks that p has
// succeeded.
func (fx *fixture) finish(n int) {
	fx.Helper()
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	for _, c := range fx.children(n) {
		if string(c.Payload) != "new" {
			fx.Errorf("%s has the payload %s", c.ID, c.Payload)
		}
		fx.accept(succeed(c))
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	fx.checkTotals()
	fx.checkInspection()
}

// p/1 begins after its parent, with the old payload, and succeeds although it was stopped.
func ranWithAnotherPayload(fx *fixture) {
	fx.failedParent(2)
	fx.retry("p/0")
	fx.retry("p/1")
	first := fx.children(1)[0]
	fx.retryWith("p", "new")
	fx.waitPast(2 * time.Millisecond)
	second := fx.children(1)[0]
	fx.spread()
	fx.accept(succeed(second))
	fx.accept(fail(first, task.CodeStopped))
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 2})
	fx.finish(2)
}

func ranForAnotherReplica(fx *fixture) {
	fx.labelled("b")
	fx.broadcast("p", task.Spec{Retain: new(time.Hour)})
	fx.accept(final(fx.take("b", 1)[0]))
	fx.retry("p/0")
	fx.labelled("a")
	_, err := fx.Store.Retry(fx.ctx, task.Edit{AllShards: true}, "p")
	fx.noError(err)
	fx.waitPast(2 * time.Millisecond)
	if got := fx.runs("b"); got != "p/0" {
		fx.Errorf("b got %q", got)
	}
	fx.spread()
	for replica, id := range map[string]string{"a": "p/0", "b": "p/1"} {
		if got := fx.runs(replica); got != id {
			fx.Errorf("%s got %q, want %s", replica, got, id)
		}
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	fx.checkInspection()
}

func ranForAnEarlierParent(fx *fixture) {
	spec := task.Spec{ID: "p", Kind: "k", ShardParams: []string{"first"}, Retain: new(time.Hour)}
	fx.parent(spec)
	fx.accept(final(fx.children(1)[0]))
	fx.retry("p/0")
	fx.remove("p")
	fx.waitPast(time.Millisecond)
	spec.ShardParams = []string{"second"}
	fx.enqueue(spec)
	fx.waitPast(2 * time.Millisecond)
	fx.accept(succeed(fx.children(1)[0]))
	fx.spread()
	c := fx.children(1)[0]
	if c.Shard.Param != "second" {
		fx.Errorf("child %+v", c.Shard)
	}
	fx.accept(succeed(c))
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	fx.checkInspection()
}

// The parent waits for the first child, and one step does not reach the last.
func stoppedTogether(fx *fixture) {
	const shards = 120
	fx.failedParent(shards)
	for i := range shards {
		fx.retry(fmt.Sprint("p/", i))
	}
	first := fx.children(1)[0]
	fx.retryWith("p", "new")
	next, err := fx.Store.Spread(fx.ctx)
	fx.noError(err)
	if n := len(fx.list(task.Filter{Parent: "p", States: []task.State{task.Waiting}})); n == 0 || n > 60 || next != time.Millisecond {
		fx.Errorf("after one step %d children wait, and the next follows in %v", n, next)
	}
	fx.spread()
	if got := fx.list(task.Filter{Parent: "p", States: []task.State{task.Waiting}}); len(got) > 0 {
		fx.Errorf("%v wait", got)
	}
	fx.accept(fail(first, task.CodeStopped))
	fx.finish(shards)
}

func reasonOfAStop(fx *fixture) {
	fx.failedParent(1)
	_, err := fx.Store.Retry(fx.ctx, task.Edit{Payload: []byte("mine")}, "p/0")
	fx.noError(err)
	c := fx.children(1)[0]
	fx.retry("p")
	fx.spread()
	fx.accept(fail(c, task.CodeStopped))
	if t := fx.wantEnd("p/0", task.Stopped, task.CodeStopped); t.Error != "its parent was retried, and its payload is not that of the parent" {
		fx.Errorf("error %q", t.Error)
	}

	fx.labelled("b")
	fx.broadcast("q", task.Spec{Retain: new(time.Hour)})
	fx.accept(final(fx.take("b", 1)[0]))
	fx.retry("q/0")
	c = fx.take("b", 1)[0]
	fx.labelled("a")
	_, err = fx.Store.Retry(fx.ctx, task.Edit{AllShards: true}, "q")
	fx.noError(err)
	fx.spread()
	fx.accept(fail(c, task.CodeStopped))
	if t := fx.wantEnd("q/0", task.Stopped, task.CodeStopped); t.Error != "its parent was retried, and this shard is now for replica a" {
		fx.Errorf("error %q", t.Error)
	}
}

// The parent ends before it has given its payload to the child.
func resultOfAnotherPayload(fx *fixture) {
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 1, Payload: []byte("old"), Retain: new(time.Hour)})
	fx.accept(stage(fx.children(1)[0], "of old"))
	fx.accept(ofSave(final(fx.toSave())))
	fx.retryWith("p", "new")
	fx.stop("p")
	fx.spread()
	fx.retry("p")
	fx.spread()
	fx.wantState("p/0", task.Waiting)
	if c := fx.children(1)[0]; string(c.Payload) != "new" {
		fx.Errorf("payload %s", c.Payload)
	}
}
