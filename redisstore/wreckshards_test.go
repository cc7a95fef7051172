package redisstore_test

import "github.com/ltsworker/ltsworker/task"

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
}
