package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var broadcastEndRules = []rule{
	{"ChildOfAReplicaThatLeavesIsLost", childOfALeavingReplica},
	{"ChildOfAReplicaThatDrainsIsLost", childOfADrainingReplica},
	{"ChildOfASilentReplicaIsLost", childOfASilentReplica},
	{"LostChildEndsAFailFastBroadcast", lostChildFailsFast},
	{"ChildThatRunsOutlivesItsReplica", runningChildOutlivesItsReplica},
	{"ChildWithAJobIsLostWithItsReplica", childWithAJob},
	{"FailedChildOfAReplicaThatHasGoneIsLost", failedChildIsLost},
	{"CleanUpOfALostChildKeepsItsCode", cleanUpOfALostChild},
	{"ChildForAnotherReplicaIsStoppedByARetry", childForAnotherReplica},
	{"RetryForAnotherReplicaExportsNothingOfTheFirst", exportForAnotherReplica},
	{"RetryOfABroadcastKeepsItsReplicas", retryKeepsReplicas},
	{"RetryOfAllShardsChoosesReplicasAgain", retryOfAllChoosesAgain},
	{"RetriedChildOfAReplicaThatHasGoneIsLost", retriedChildOfAGoneReplica},
	{"StopOfABroadcastStopsItsChildren", stopOfABroadcast},
}

// askToDrain asks a replica to drain.
func (fx *fixture) askToDrain(replica string) {
	fx.Helper()
	asked, err := fx.Store.Drain(fx.ctx, replica)
	fx.noError(err)
	if !asked[0] {
		fx.Errorf("%s was not asked to drain", replica)
	}
}

// wantLost checks that a child ended as lost.
func (fx *fixture) wantLost(id, why string) {
	fx.Helper()
	if t := fx.wantEnd(id, task.Failed, task.CodeLost); t.Error != why {
		fx.Errorf("%s: error %q, want %q", id, t.Error, why)
	}
}

func childOfALeavingReplica(fx *fixture) {
	for _, r := range []string{"a", "b", "c"} {
		fx.labelled(r)
	}
	fx.broadcast("p", task.Spec{Retain: new(time.Hour)})
	fx.broadcast("group", task.Spec{Group: "g"})
	fx.limit(task.GroupScope, "g", 1)
	got := fx.take("b", 1)
	fx.wantIDs(got, "p/1")
	fx.accept(failIn(got[0], time.Hour)) // it waits for its retry
	fx.enqueue(task.Spec{ID: "mine", Queue: "q", Labels: []string{"id=b"}})
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	if s := append(fx.Signals(fx, "a"), fx.Signals(fx, "c")...); !strings.Contains(strings.Join(s, " "), "shards") {
		fx.Errorf("signals %v", s)
	}
	fx.spread()
	fx.wantLost("p/1", "replica b has gone")
	fx.wantLost("group/1", "replica b has gone")
	fx.wantState("mine", task.Waiting) // it is no child of a broadcast
	fx.stop("mine")
	fx.wantCounts("p", task.ShardCounts{Pending: 2, Failed: 1})
	fx.limit(task.GroupScope, "g", 0)
	for _, r := range []string{"a", "c"} {
		fx.runs(r)
	}
	if p := fx.wantEnd("p", task.Failed, task.CodeChildren); p.Error != "of 3 shards 1 failed; the first: p/1: replica b has gone" {
		fx.Errorf("error %q", p.Error)
	}
	fx.wantEnd("group", task.Failed, task.CodeChildren)
}

func childOfADrainingReplica(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{})
	fx.broadcast("runs", task.Spec{Priority: 1})
	got := fx.take("b", 1)
	fx.wantIDs(got, "runs/1")
	fx.askToDrain("b")
	fx.spread()
	fx.wantLost("p/1", "replica b drains")
	fx.wantState("runs/1", task.Running)
	fx.runs("a")
	fx.accept(succeed(got[0]))
	if fx.find("runs") != nil {
		fx.Error("the broadcast whose children have succeeded has not")
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)

	// A replica that drains by itself says so with its heartbeat. One that gives a child back
	// loses it when it leaves.
	fx.labelled("c")
	fx.broadcast("again", task.Spec{})
	fx.broadcast("back", task.Spec{Priority: 1})
	got = fx.take("c", 1)
	fx.heartbeat(task.Renewal{Replica: "c", Draining: true, Held: held(got[0])})
	fx.spread()
	fx.wantLost("again/1", "replica c drains")
	fx.accept(release(got[0], 0))
	fx.noError(fx.Store.Leave(fx.ctx, "c"))
	fx.spread()
	fx.wantLost("back/1", "replica c has gone")
}

func childOfASilentReplica(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("waits", task.Spec{})
	fx.broadcast("runs", task.Spec{Priority: 1})
	got := fx.take("b", 1)
	fx.wantIDs(got, "runs/1")
	fx.loseLeases(got[0]) // its entry in the list ends, too
	fx.maintain()
	fx.spread()
	fx.wantEnd("runs/1", task.Failed, task.CodeLost)
	fx.wantLost("waits/1", "replica b has gone")
	fx.runs("a")
	fx.wantEnd("waits", task.Failed, task.CodeChildren)
	fx.wantEnd("runs", task.Failed, task.CodeChildren)
}

func lostChildFailsFast(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{FailFast: true})
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	_, err := fx.Store.Spread(fx.ctx)
	fx.noError(err)
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	fx.wantIDs(fx.take("a", 9))
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Failed: 1, Stopped: 1})
}

// A replica may be off the list while its attempt runs on, such as one that is outside.
func runningChildOutlivesItsReplica(fx *fixture) {
	fx.labelled("a")
	fx.broadcast("p", task.Spec{})
	fx.broadcast("q", task.Spec{})
	got := fx.take("a", 9)
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.spread()
	fx.wantState("p/0", task.Running)
	fx.accept(succeed(got[0]))
	if fx.find("p") != nil {
		fx.Error("the broadcast has not succeeded")
	}
	fx.labelled("b")
	fx.accept(release(got[1], 0)) // nobody can run it again
	if s := fx.allSignals(); !slices.Contains(s, "shards") {
		fx.Errorf("signals %v", s)
	}
	fx.spread()
	fx.wantLost("q/0", "replica a has gone")
	fx.wantEnd("q", task.Failed, task.CodeChildren)
}

func childWithAJob(fx *fixture) {
	fx.labelled("a")
	fx.broadcast("p", task.Spec{})
	got := fx.take("a", 1)[0]
	fx.job(got, 1, "job-7")
	fx.accept(release(got, 0))
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.labelled("b")
	fx.spread()
	fx.wantLost("p/0", "replica a has gone")
	if t := fx.get("p/0"); t.Orphan != "job-7" {
		fx.Errorf("orphan %q", t.Orphan)
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
}

func retryKeepsReplicas(fx *fixture) {
	for _, r := range []string{"a", "b", "c"} {
		fx.labelled(r)
	}
	fx.broadcast("p", task.Spec{Retain: new(time.Hour), MaxAttempts: 1})
	fx.runs("a")
	fx.accept(fail(fx.take("b", 1)[0], task.CodePermanent))
	fx.noError(fx.Store.Leave(fx.ctx, "c"))
	fx.spread()
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	fx.labelled("d")
	fx.retry("p")
	fx.spread()
	fx.wantCounts("p", task.ShardCounts{Succeeded: 1, Failed: 1, Pending: 1})
	for replica, want := range map[string]string{"a": "", "b": "p/1", "d": ""} {
		if got := fx.runs(replica); got != want {
			fx.Errorf("%s got %q", replica, got)
		}
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	fx.wantCounts("p", task.ShardCounts{Succeeded: 2, Failed: 1})
}

func retryOfAllChoosesAgain(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{Retain: new(time.Hour), Labels: nil})
	fx.runs("a")
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	fx.spread()
	for _, r := range []string{"d", "c"} {
		fx.labelled(r)
	}
	_, err := fx.Store.Retry(fx.ctx, task.Edit{AllShards: true}, "p")
	fx.noError(err)
	fx.spread()
	want := map[string]string{"a": "p/0", "c": "p/1", "d": "p/2"}
	for replica, id := range want {
		if got := fx.runs(replica); got != id {
			fx.Errorf("%s got %q", replica, got)
		}
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)

	// A broadcast that has succeeded is a new one.
	for _, r := range []string{"a", "c"} {
		fx.noError(fx.Store.Leave(fx.ctx, r))
	}
	fx.retry("p")
	fx.spread()
	if got := fx.runs("d"); got != "p/0" {
		fx.Errorf("d got %q", got)
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
	if p := fx.get("p"); p.Shards != 1 {
		fx.Errorf("%d shards", p.Shards)
	}
}

func retriedChildOfAGoneReplica(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{Retain: new(time.Hour)})
	fx.accept(fail(fx.take("b", 1)[0], task.CodePermanent))
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	fx.retry("p/1")
	fx.spread()
	fx.wantLost("p/1", "replica b has gone")
	fx.wantCounts("p", task.ShardCounts{Failed: 1, Pending: 1})
	fx.runs("a")
	fx.retry("p/0")
	if got := fx.runs("a"); got != "p/0" {
		fx.Errorf("a got %q", got)
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
}

func stopOfABroadcast(fx *fixture) {
	fx.labelled("a")
	fx.labelled("b")
	fx.broadcast("p", task.Spec{})
	running := fx.take("a", 1)[0]
	fx.stop("p")
	fx.noError(fx.Store.Leave(fx.ctx, "b"))
	fx.spread()
	fx.wantStops("a", nil, attempt(running))
	fx.accept(final(running))
	fx.wantEnd("p/0", task.Stopped, task.CodeStopped)
	if t := fx.get("p/1"); t.State != task.Stopped && t.Code != task.CodeLost {
		fx.Errorf("p/1 is %s with %s", t.State, t.Code)
	}
}

func failedChildIsLost(fx *fixture) {
	fx.labelled("a")
	fx.broadcast("p", task.Spec{})
	got := fx.take("a", 1)[0]
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.spread()
	fx.accept(failIn(got, time.Hour))
	fx.wantLost("p/0", "replica a has gone")
	if h := fx.history("p/0"); len(h) != 1 || h[0].Code != task.CodeError {
		fx.Errorf("history %+v", h)
	}
	fx.wantEnd("p", task.Failed, task.CodeChildren)
}

func cleanUpOfALostChild(fx *fixture) {
	fx.labelled("a")
	fx.broadcast("p", task.Spec{})
	got := fx.take("a", 1)[0]
	fx.job(got, 1, "job-7")
	fx.accept(final(got))
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.labelled("b")
	fx.spread()
	if t := fx.wantEnd("p/0", task.Failed, task.CodePermanent); t.Orphan != "job-7" {
		fx.Errorf("orphan %q", t.Orphan)
	}
	fx.checkInspection()
}

// chooseAgain retries all shards of p, which then has a child for "a" in place of "b".
func (fx *fixture) chooseAgain() {
	fx.Helper()
	fx.labelled("a")
	_, err := fx.Store.Retry(fx.ctx, task.Edit{AllShards: true}, "p")
	fx.noError(err)
	fx.spread()
}

func childForAnotherReplica(fx *fixture) {
	fx.labelled("b")
	fx.broadcast("p", task.Spec{Retain: new(time.Hour)})
	fx.accept(final(fx.take("b", 1)[0]))
	fx.retry("p/0") // by itself
	fx.chooseAgain()
	stopped := slices.ContainsFunc(fx.eventsOf("p/0"), func(e task.Event) bool { return e.State == task.Stopped })
	if c := fx.wantState("p/0", task.Waiting); !stopped || c.Shard.Param != "a" {
		fx.Errorf("p/0 was stopped: %v; it is for %s", stopped, c.Shard.Param)
	}
	for replica, id := range map[string]string{"a": "p/0", "b": "p/1"} {
		if got := fx.runs(replica); got != id {
			fx.Errorf("%s got %q, want %s", replica, got, id)
		}
	}
	fx.wantEnd("p", task.Succeeded, task.CodeOK)
}

func exportForAnotherReplica(fx *fixture) {
	fx.staging(task.Export{Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	fx.labelled("b")
	fx.broadcast("p", task.Spec{Retain: new(time.Hour)})
	fx.accept(stage(fx.take("b", 1)[0], "of b"))
	fx.accept(ofSave(final(fx.toSave())))
	fx.wantEnd("p", task.Failed, task.CodeChildren)
	fx.chooseAgain()
	fx.wantState("p/0", task.Waiting)
	fx.wantIDs(fx.take("a", 9), "p/0")
}
