package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var shardAgainRules = []rule{
	{"ParentThatIsNotKeptEndsOnce", parentNotKeptEndsOnce},
	{"ParentStoppedWithItsChildEndsOnce", parentStoppedWithItsChild},
	{"NewParentInheritsNothingOfItsID", newParentInheritsNothing},
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
