package storetest

import (
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

var shardAgainRules = []rule{
	{"ParentThatIsNotKeptEndsOnce", parentNotKeptEndsOnce},
	{"ParentStoppedWithItsChildEndsOnce", parentStoppedWithItsChild},
	{"NewParentInheritsNothingOfItsID", newParentInheritsNothing},
	{"RetryOfAParentIsRefusedUntilItsShardsAreStopped", retryRefusedUntilStopped},
	{"RetryGivesItsPayloadToEachShard", retryGivesItsPayload},
	{"NewPayloadHasTheBoundOfShards", newPayloadIsBounded},
	{"TriggeredBroadcastWithoutReplicasFails", triggeredBroadcastFails},
	{"RetryOfABroadcastIsRefusedUntilItsShardsAreStopped", broadcastRetryRefused},
}

// wantOneEnd checks that a task has ended once, in this state.
func (fx *fixture) wantOneEnd(id string, want task.State) {
	fx.Helper()
	var ends []task.State
	for _, e := range fx.eventsOf(id) {
		if e.State.Terminal() {
			ends = append(ends, e.State)
		}
	}
	if len(ends) != 1 || ends[0] != want {
		fx.Errorf("%s has ended as %v, want once as %s", id, ends, want)
	}
}

// One call ends all children, the first of which ends the parent.
func parentNotKeptEndsOnce(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3, FailFast: true, Retain: new(time.Duration), TTL: 200 * time.Millisecond, Reply: true})
	fx.waitPast(201 * time.Millisecond)
	fx.maintain()
	fx.wantOneEnd("p", task.Failed)
	fx.wantReply("p", "failed", "children")
	fx.spread()
	fx.wantNoTrace("p")
	fx.checkTotals()
	fx.checkInspection()
}

func parentStoppedWithItsChild(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 1, Retain: new(time.Duration)})
	fx.parent(task.Spec{ID: "q", Kind: "k", Shards: 1, Retain: new(time.Duration)})
	fx.stopAll("p", "p/0", "q/0", "q")
	fx.wantOneEnd("p", task.Stopped)
	fx.wantOneEnd("q", task.Failed)
	fx.spread()
	for _, id := range []string{"p", "q"} {
		fx.wantNoTrace(id)
	}
	fx.checkTotals()
	fx.checkInspection()
}

// No replica has stopped the children of the first parent when a plain task gets its id.
func newParentInheritsNothing(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3})
	fx.stop("p")
	fx.remove("p")
	fx.enqueue(task.Spec{ID: "p", Kind: "k", Queue: "other", Retain: new(time.Duration)})
	fx.spread()
	for _, index := range []string{"0", "1", "2"} {
		fx.wantEnd("p/"+index, task.Stopped, task.CodeStopped)
	}
	got := fx.claim("other", 1)
	fx.wantIDs(got, "p")
	fx.accept(succeed(got[0]))
	fx.wantNoTrace("p")
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3})
	fx.wantCounts("p", task.ShardCounts{Pending: 3})
	for _, c := range fx.children(3) {
		fx.accept(succeed(c))
	}
	if p := fx.find("p"); p != nil {
		fx.Errorf("the parent is %s: %s", p.State, p.Error)
	}
}

// wantRefused checks that a retry of p is refused while replicas stop its children, and that it
// is not afterwards.
func (fx *fixture) wantRefused(e task.Edit) {
	fx.Helper()
	before := fx.get("p")
	cs, err := fx.Store.Retry(fx.ctx, e, "p")
	fx.noError(err)
	if c := cs[0]; c.Done || c.State != task.Failed || !errors.Is(c.Err, task.ErrShardsLive) {
		fx.Errorf("retry: %+v", c)
	}
	if after := fx.get("p"); after.Version != before.Version || after.Counts != before.Counts || string(after.Payload) != string(before.Payload) {
		fx.Errorf("the parent was %+v, is %+v", before, after)
	}
	fx.spread()
	cs, err = fx.Store.Retry(fx.ctx, e, "p")
	fx.noError(err)
	if c := cs[0]; !c.Done || c.State != task.Running || c.Err != nil {
		fx.Errorf("second retry: %+v", c)
	}
	fx.spread()
}

func retryRefusedUntilStopped(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3, FailFast: true, Payload: []byte("old")})
	fx.accept(final(fx.children(1)[0]))
	fx.wantRefused(task.Edit{Payload: []byte("new")})
	for _, c := range fx.children(3) {
		if string(c.Payload) != "new" {
			fx.Errorf("%s has the payload %s", c.ID, c.Payload)
		}
		fx.accept(succeed(c))
	}
	fx.checkTotals()
	fx.checkInspection()
}

// An operator has retried children by themselves.
func retryGivesItsPayload(fx *fixture) {
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: 3, Payload: []byte("old"), Retain: new(time.Hour)})
	for _, c := range fx.children(3) {
		fx.accept(final(c))
	}
	for _, id := range []string{"p/0", "p/1", "p/2"} {
		fx.retry(id)
	}
	runs := fx.children(1)[0]
	fx.wantIDs([]*task.Task{runs}, "p/0")
	cs, err := fx.Store.Retry(fx.ctx, task.Edit{Payload: []byte("new")}, "p")
	fx.noError(err)
	if !cs[0].Done {
		fx.Errorf("retry: %+v", cs[0])
	}
	fx.spread()
	fx.accept(fail(runs, task.CodeStopped))
	fx.wantEnd("p/0", task.Stopped, task.CodeStopped)
	fx.waitPast(501 * time.Millisecond)
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Pending: 3})
	fx.finish(3)
}

func broadcastRetryRefused(fx *fixture) {
	fx.labelled("b")
	fx.labelled("c")
	fx.broadcast("p", task.Spec{FailFast: true, Retain: new(time.Hour)})
	fx.accept(final(fx.take("c", 1)[0]))
	fx.labelled("a")
	fx.wantRefused(task.Edit{AllShards: true})
	for replica, id := range map[string]string{"a": "p/0", "b": "p/1", "c": "p/2"} {
		if got := fx.runs(replica); got != id {
			fx.Errorf("%s got %q, want %s", replica, got, id)
		}
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	fx.checkInspection()
}

func newPayloadIsBounded(fx *fixture) {
	const shards = 100
	fx.parent(task.Spec{ID: "p", Kind: "k", Shards: shards, Retain: new(time.Hour)})
	fx.stop("p")
	fx.spread()
	fx.enqueueAll(task.Spec{ID: "later", Kind: "k", Shards: shards, Hold: true}, task.Spec{ID: "plain", Kind: "k", Hold: true})
	large := task.Edit{Payload: make([]byte, task.MaxShardBytes/shards+1)}
	retried, err := fx.Store.Retry(fx.ctx, large, "p")
	fx.noError(err)
	changed := fx.change(large, "later", "plain")
	for _, c := range []task.Change{retried[0], changed[0]} {
		var wrong *task.FieldError
		if c.Done || !errors.As(c.Err, &wrong) || wrong.Field != "payload" {
			fx.Errorf("change: %+v", c)
		}
		if t := fx.get(c.ID); t.State != c.State || len(t.Payload) > 0 {
			fx.Errorf("%s is %s with %d bytes", t.ID, t.State, len(t.Payload))
		}
	}
	if !changed[1].Done {
		fx.Errorf("change of a plain task: %+v", changed[1])
	}
	large.Payload = large.Payload[1:]
	if c := fx.change(large, "later")[0]; !c.Done {
		fx.Errorf("change: %+v", c)
	}
}

// No replica is there to spread it.
func triggeredBroadcastFails(fx *fixture) {
	for _, overlap := range []trigger.Overlap{trigger.OverlapAllow, trigger.OverlapSkip} {
		def := trigger.Definition{Name: "t-" + string(overlap), Every: time.Hour, Overlap: overlap,
			Task: task.Spec{Kind: "k", Queue: "q", Broadcast: true, Retain: new(time.Hour)}}
		fx.setTrigger(def, fx.past())
		fx.wantFired("enqueued")
	}
	if got := fx.list(task.Filter{States: []task.State{task.Running}}); len(got) > 0 {
		fx.Errorf("%v run", got)
	}
	failed := fx.list(task.Filter{States: []task.State{task.Failed}})
	if len(failed) != 2 {
		fx.Fatalf("%v have failed, want two", failed)
	}
	for _, id := range failed {
		fx.wantEnd(id, task.Failed, task.CodeNoHandler)
		fx.wantOneEnd(id, task.Failed)
	}
	fx.checkTotals()
	fx.checkInspection()
}
