package redisstore_test

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// parent makes a parent with two children in the queue q2.
func (w *wreck) parent() {
	w.t.Helper()
	w.enqueue(task.Spec{ID: "p", Queue: "q2", Shards: 2})
	w.spread()
}

func (w *wreck) spread() {
	w.t.Helper()
	for range 100 {
		next, err := w.store.Spread(w.t.Context())
		w.must(err)
		if next == 0 {
			return
		}
	}
	w.t.Error("a parent still needs a replica")
}

// wantChildren checks that a step makes the parent complete again.
func (w *wreck) wantChildren() {
	w.t.Helper()
	w.spread()
	if got := w.claim(9, "q2"); len(got) != 2 {
		w.t.Errorf("claimed %v, want two children", got)
	} else {
		w.exchange(nil, reportOn(got[0], task.Succeed), reportOn(got[1], task.Succeed))
	}
	if got, err := w.store.Get(w.t.Context(), "p"); err != nil || got[0] != nil {
		w.t.Errorf("the parent has not ended: %+v, %v", got[0], err)
	}
}

// wantSucceeded checks that a parent succeeds with its n children.
func (w *wreck) wantSucceeded(id string, n int) {
	w.t.Helper()
	w.spread()
	got := w.claim(9, "q2")
	if len(got) != n {
		w.t.Fatalf("claimed %v, want %d children", got, n)
	}
	for _, c := range got {
		w.exchange(nil, reportOn(c, task.Succeed))
	}
	if p := w.task(id); p.State != task.Succeeded {
		w.t.Errorf("the parent is %s: %s", p.State, p.Error)
	}
}

func init() {
	damageCases = append(damageCases, shardDamageCases...)
}

// shardDamageCases are ways to break a parent and its children.
var shardDamageCases = []damageCase{
	{"ParentUnlisted", func(w *wreck) { w.parent(); w.do("ZREM", "parents", "p") }, "no_entry", (*wreck).wantChildren},
	{"PendingChildDeleted", func(w *wreck) { w.parent(); w.do("DEL", "task:p/0") }, "child_gone no_record", (*wreck).wantChildren},
	{"PendingIndexLost", func(w *wreck) { w.parent(); w.do("SREM", "pending:p", 0) }, "shard_lost", (*wreck).wantChildren},
	{"CursorSetBack", func(w *wreck) { w.parent(); w.do("HSET", "more:p", "shards_next", 1) }, "shards_stuck", (*wreck).wantChildren},
	{"CountOfShardsSpoiled", func(w *wreck) { w.parent(); w.do("HSET", "more:p", "shards_failed", 7) }, "shards_miscounted", (*wreck).wantChildren},
	{"ParentDeleted", func(w *wreck) { w.parent(); w.do("DEL", "task:p"); w.do("DEL", "more:p") }, "children_live no_record", func(w *wreck) {
		w.spread()
		if got := w.claim(9, "q2"); len(got) > 0 {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"ParentThatIsNone", func(w *wreck) { w.do("ZADD", "parents", 8.9e15, "wait") }, "wrong_index", nil},
	{"ParentThatWaitsForAReplica", func(w *wreck) { w.parent(); w.do("ZADD", "spreading", 5, "p") }, "shards_late", (*wreck).wantChildren},
	{"ResultsOfNoParent", func(w *wreck) { w.do("HSET", "results:x", 0, 1) }, "stale_entry", nil},
	{"ChildOfABroadcastUnlisted", func(w *wreck) { w.broadcast(); w.do("SREM", "broadcast:r", "b/0") }, "no_entry", func(w *wreck) {
		w.must(w.store.Leave(w.t.Context(), "r"))
		w.wantLostChild()
	}},
	{"ReplicaOfABroadcastDeleted", func(w *wreck) {
		w.broadcast()
		w.must(w.store.Leave(w.t.Context(), "r"))
		w.do("DEL", "spreading")
	}, "child_waits", (*wreck).wantLostChild},
	{"JobOfAReplicaDeleted", func(w *wreck) {
		w.enqueue(task.Spec{ID: "mine", Queue: "q2", Labels: []string{"id=r"}, Retain: new(time.Hour)})
		got := w.claim(1, "q2")
		w.must(w.store.SaveJob(w.t.Context(), "q2", task.Attempt{ID: got[0].ID, Fence: got[0].Fence}, 1, nil, "job"))
		w.exchange(nil, reportOn(got[0], task.Release))
		w.must(w.store.Leave(w.t.Context(), "r"))
		w.do("DEL", "spreading")
	}, "job_waits", func(w *wreck) {
		w.spread()
		if got := w.task("mine"); got.State != task.Failed || got.Code != task.CodeLost || got.Orphan != "job" {
			w.t.Errorf("it is %s with %s, orphan %q", got.State, got.Code, got.Orphan)
		}
	}},
	{"JobOfAHostDeleted", func(w *wreck) {
		w.enqueue(task.Spec{ID: "mine", Queue: "q2", Labels: []string{"host=h"}})
		_, err := w.store.Join(w.t.Context(), task.Registration{Replica: "far", Host: "h", Lease: time.Hour, Queues: wreckQueues})
		w.must(err)
		x := task.Exchange{Replica: "far", Sequence: 1, Call: 1, Lease: time.Hour, Claims: []task.Claim{{Queue: "q2", N: 1}}}
		got, err := w.store.Exchange(w.t.Context(), x)
		w.must(err)
		mine := tasksOf(got)[0]
		w.must(w.store.SaveJob(w.t.Context(), "q2", task.Attempt{ID: "mine", Fence: mine.Fence}, 1, nil, "job"))
		x.Call, x.Claims, x.Reports = 2, nil, []task.Report{reportOn(mine, task.Release)}
		_, err = w.store.Exchange(w.t.Context(), x)
		w.must(err)
		w.must(w.store.Leave(w.t.Context(), "far"))
		w.do("DEL", "spreading")
	}, "job_waits", func(w *wreck) {
		next, err := w.store.Spread(w.t.Context())
		if err != nil || next < 9*time.Minute || next > 10*time.Minute {
			w.t.Errorf("the host is looked for again in %v, %v", next, err)
		}
		w.do("HSET", "meta", "unserved:q2#host=h", fmt.Sprintf("%d %d", w.now(w.t).UnixMilli(), 7*24*time.Hour/time.Millisecond))
		w.do("ZADD", "spreading", 5, "line q2#host=h")
		w.spread()
		if w.state("mine") != task.Failed || w.rdb.HExists(w.t.Context(), w.prefix+"meta", "unserved:q2#host=h").Val() {
			w.t.Errorf("it is %s", w.state("mine"))
		}
	}},
	{"ChildOfABroadcastThatIsNone", func(w *wreck) { w.do("SADD", "broadcast:r", "wait") }, "wrong_index", nil},
	{"ChildrenOfABroadcastThatWait", func(w *wreck) {
		w.broadcast()
		w.must(w.store.Leave(w.t.Context(), "r"))
		w.do("ZADD", "spreading", 5, "replica r")
	}, "shards_late", (*wreck).wantLostChild},
	{"ListOfABroadcastOfAnotherType", func(w *wreck) {
		w.broadcast()
		w.do("DEL", "broadcast:r")
		w.do("SET", "broadcast:r", "x")
		w.enqueue(task.Spec{ID: "b2", Queue: "q2", Broadcast: true})
		w.spread()
		got := w.claim(2, "q2")
		w.exchange(nil, reportOn(got[0], task.Succeed), reportOn(got[1], task.Succeed))
	}, "wrong_type", func(w *wreck) {
		if got, err := w.store.Get(w.t.Context(), "b", "b2"); err != nil || got[0] != nil || got[1] != nil {
			w.t.Errorf("the broadcasts have not ended: %+v, %+v, %v", got[0], got[1], err)
		}
	}},
	{"ExtrasOfAChildOfAnEndedParentOfAnotherType", func(w *wreck) {
		w.parent()
		w.do("SET", "more:p/0", "x")
		_, err := w.store.Stop(w.t.Context(), "why", "p")
		w.must(err)
		next, err := w.store.Spread(w.t.Context())
		w.must(err)
		if next == 0 {
			w.t.Error("nothing stops p/0 any more")
		}
	}, "wrong_type", func(w *wreck) {
		if got := w.claim(9, "q2"); len(got) > 0 {
			w.t.Errorf("claimed %v of a parent that has ended", got)
		}
	}},
	{"ExtrasOfAChildOfARetriedParentOfAnotherType", func(w *wreck) {
		w.enqueue(task.Spec{ID: "p", Queue: "q2", Shards: 2, Retain: new(time.Hour)})
		w.spread()
		for _, c := range w.claim(9, "q2") {
			r := reportOn(c, task.Fail)
			r.Code = task.CodePermanent
			w.exchange(nil, r)
		}
		_, err := w.store.Retry(w.t.Context(), task.Edit{}, "p")
		w.must(err)
		w.do("DEL", "more:p/0")
		w.do("SET", "more:p/0", "x")
		next, err := w.store.Spread(w.t.Context())
		w.must(err)
		if next < 100*time.Millisecond {
			w.t.Errorf("the next step follows in %v", next)
		}
	}, "wrong_type", func(w *wreck) {
		w.do("ZADD", "spreading", 5, "p") // it is not due yet
		w.wantSucceeded("p", 2)
	}},
	{"EndOfAChildNotNoted", func(w *wreck) {
		w.enqueue(task.Spec{ID: "p", Queue: "q2", Shards: 2, Retain: new(time.Hour)})
		w.spread()
		w.do("HINCRBY", "more:p", "started_at", -1)
		r := reportOn(w.claim(1, "q2")[0], task.Succeed)
		r.Result = []byte("7")
		w.exchange(nil, r)
		w.do("SADD", "pending:p", 0)
		w.do("HDEL", "more:p", "shards_done:0", "shards_succeeded", "shards_bytes")
		w.do("DEL", "results:p")
	}, "child_gone", func(w *wreck) {
		w.spread()
		got := w.claim(9, "q2")
		if len(got) != 1 || got[0].ID != "p/1" {
			w.t.Fatalf("claimed %v, want p/1", got)
		}
		w.exchange(nil, reportOn(got[0], task.Succeed))
		p, err := w.store.Get(w.t.Context(), "p")
		w.must(err)
		if p[0].State != task.Succeeded || string(p[0].Result) != "[7,null]" {
			w.t.Errorf("the parent is %+v", p[0])
		}
	}},
	{"MembersOfABroadcastLost", func(w *wreck) { w.broadcast(); w.do("HDEL", "more:b", "shards_total") }, "shards_stuck", func(w *wreck) {
		w.spread()
		if got, err := w.store.Get(w.t.Context(), "b"); err != nil || got[0].Code != task.CodeChildren {
			w.t.Errorf("the broadcast is %+v, %v", got[0], err)
		}
	}},
}

// broadcast makes a broadcast with one child.
func (w *wreck) broadcast() {
	w.t.Helper()
	w.enqueue(task.Spec{ID: "b", Queue: "q2", Broadcast: true})
	w.spread()
}

// wantLostChild checks that a step ends the child of a broadcast whose replica has gone.
func (w *wreck) wantLostChild() {
	w.t.Helper()
	w.spread()
	if got, err := w.store.Get(w.t.Context(), "b", "b/0"); err != nil || got[0].State != task.Failed || got[1].Code != task.CodeLost {
		w.t.Errorf("the broadcast is %+v, its child %+v, %v", got[0], got[1], err)
	}
}
