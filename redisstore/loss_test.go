package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

// handOver makes tasks of queue q2 that wait for a take-over by replica "r" alone.
func (w *wreck) handOver(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.enqueue(task.Spec{ID: id, Queue: "q2", Labels: []string{"id=r"}, Retain: new(time.Hour)})
	}
	for _, g := range w.claim(len(ids), "q2") {
		w.must(w.store.SaveJob(w.t.Context(), "q2", task.Attempt{ID: g.ID, Fence: g.Fence}, 1, nil, "job"))
		w.exchange(nil, reportOn(g, task.Release))
	}
}

// leave removes replica "r", and another one comes.
func (w *wreck) leave() {
	w.t.Helper()
	w.must(w.store.Leave(w.t.Context(), "r"))
	_, err := w.store.Join(w.t.Context(), task.Registration{Replica: "s", Lease: time.Hour, Queues: wreckQueues, Kinds: map[string]task.Policy{"k": {}}})
	w.must(err)
}

func (w *wreck) wantLost(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		if got := w.task(id); got == nil || got.State != task.Failed || got.Code != task.CodeLost || got.Orphan != "job" {
			w.t.Errorf("%s is %+v", id, got)
		}
		if w.rdb.HExists(w.t.Context(), w.prefix+"run:q2", id).Val() {
			w.t.Errorf("%s keeps its place", id)
		}
	}
}

func TestDamagedTaskOfAReplicaThatHasGoneHoldsUpNoOther(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.handOver("m0", "m1", "m2")
	w.leave()
	w.do("DEL", "more:m1")
	w.do("SET", "more:m1", "x")
	w.enqueue(task.Spec{ID: "p", Queue: "q2", Shards: 2})
	w.spread()
	w.wantLost("m0", "m2")
	if got := w.task("p"); got.Counts.Pending != 2 {
		t.Errorf("the parent has %+v", got.Counts)
	}
	w.find(true)
	w.spread()
	if w.rdb.HExists(t.Context(), w.prefix+"run:q2", "m1").Val() {
		t.Error("the damaged task keeps its place after the repair")
	}
	w.findsNothing()
}

func TestDamagedChildOfAReplicaThatHasGoneHoldsUpNoOther(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.enqueue(task.Spec{ID: "b", Queue: "q2", Broadcast: true, Retain: new(time.Hour)}, task.Spec{ID: "b2", Queue: "q2", Broadcast: true, Retain: new(time.Hour)})
	w.spread()
	got := w.claim(2, "q2")
	for _, g := range got {
		w.must(w.store.SaveJob(t.Context(), "q2", task.Attempt{ID: g.ID, Fence: g.Fence}, 1, nil, "job"))
		w.exchange(nil, reportOn(g, task.Release))
	}
	w.do("DEL", "more:b/0")
	w.do("SET", "more:b/0", "x")
	w.leave()
	for range 3 { // one step per entry; that of the damaged child is tried again and again
		_, err := w.store.Spread(t.Context())
		w.must(err)
	}
	if w.state("b2") != task.Failed {
		t.Errorf("b2 is %s", w.state("b2"))
	}
}

// The name of the job is lost, so its clean-up is over and the task is tried again, at once.
func TestTaskOfAReplicaThatHasGoneIsTriedAgain(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.enqueue(task.Spec{ID: "m", Queue: "q2", Labels: []string{"id=r"}})
	got := w.claim(1, "q2")[0]
	w.must(w.store.SaveJob(t.Context(), "q2", task.Attempt{ID: "m", Fence: got.Fence}, 1, nil, "job"))
	r := reportOn(got, task.Fail)
	r.DelaySet = true
	w.exchange(nil, r)
	w.do("HDEL", "more:m", "job")
	w.leave()
	w.spread()
	if state := w.state("m"); state != task.Waiting {
		t.Errorf("it is %s", state)
	}
	w.findsNothing()
}

func TestTakeOversOfAnotherTypeAreNotHandledAgain(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.do("SET", "takeover:q2#id=gone", "x")
	w.do("ZADD", "spreading", 5, "line q2#id=gone")
	if next, err := w.store.Spread(t.Context()); err != nil || next != 0 {
		t.Errorf("the next step follows in %v, %v", next, err)
	}
}

func TestReplicaLeavesAPoolWithDamagedSteps(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.handOver("m")
	w.do("DEL", "spreading")
	w.do("SET", "spreading", "x")
	class := w.class()
	w.must(w.store.Leave(t.Context(), "r"))
	if keys := w.rdb.Keys(t.Context(), w.prefix+"class:"+class).Val(); len(keys) > 0 {
		t.Errorf("the class of the replica is left: %v", keys)
	}
	w.find(true)
	w.find(true)
	w.spread()
	w.wantLost("m")
}

// The replica was on the list and did not serve the line when the task was put there.
func TestJobOfAReplicaThatDidNotServeItsLineEnds(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	class := w.class()
	w.enqueue(task.Spec{ID: "m", Queue: "q2", Labels: []string{"id=r"}, Retain: new(time.Hour)})
	got := w.claim(1, "q2")
	w.must(w.store.SaveJob(t.Context(), "q2", task.Attempt{ID: "m", Fence: got[0].Fence}, 1, nil, "job"))
	w.do("SREM", "served:q2#", class)
	w.exchange(nil, reportOn(got[0], task.Release))
	if next, err := w.store.Spread(t.Context()); err != nil || next < 50*time.Second || next > time.Minute {
		t.Errorf("the next step follows in %v, %v", next, err)
	}
	w.leave()
	w.do("ZADD", "spreading", "XX", 1, "line q2#id=r") // a minute has passed
	w.spread()
	w.wantLost("m")
	w.findsNothing()
}

func TestLineIsForgottenWithItsLastTask(t *testing.T) {
	w := newWreck(t, redisserver.Shared(t).Client(t))
	w.handOver("m")
	w.leave()
	for i := range 3 {
		w.do("ZADD", "takeover:q2#id=r", 1, fmt.Sprint("ghost", i))
	}
	w.do("ZADD", "lines:q2", 0, "id=r")
	w.do("ZADD", "lines:q2", 0, "id=old")
	named := false
	for f, err := range w.store.Inspect(t.Context(), task.Inspection{}) {
		w.must(err)
		if strings.Contains(f.What, "such as none") {
			t.Errorf("found %q", f.What)
		}
		named = named || strings.Contains(f.What, "with the labels id=r, such as ghost0")
	}
	if !named {
		t.Error("the inspection names no task that waits for a take-over")
	}
	w.do("ZADD", "spreading", 5, "line q2#id=r")
	w.spread()
	w.wantLost("m")
	if lines := w.rdb.ZRange(t.Context(), w.prefix+"lines:q2", 0, -1).Val(); slices.Contains(lines, "id=r") {
		t.Errorf("lines %v", lines)
	}
}
