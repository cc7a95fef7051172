package redisstore_test

import (
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// damageCases are the ways to break a pool, what is found, and what holds after
// the repair.
var damageCases = []struct {
	name  string
	wreck func(w *wreck)
	codes string // of what is found, sorted
	after func(w *wreck)
}{
	{"WaitingEntryWithoutBody", func(w *wreck) { w.do("ZADD", "wait:default", 1, "ghost") }, "no_body", func(w *wreck) {
		if got := w.claim(1); len(got) != 1 || got[0].ID != "wait" {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"RunningEntryWithoutBody", func(w *wreck) { w.do("ZADD", "running:default", 9e15, "ghost") }, "no_body", nil},
	{"ScheduledEntryWithoutBody", func(w *wreck) { w.do("ZADD", "scheduled", 9e15, "ghost") }, "no_body", nil},
	{"EndedEntryWithoutBody", func(w *wreck) { w.do("ZADD", "ended:failed", 9e15, "ghost") }, "no_body", nil},
	{"ExpiringEntryWithoutBody", func(w *wreck) { w.do("ZADD", "expiring", 9e15, "ghost") }, "no_body", nil},
	{"GroupMemberWithoutBody", func(w *wreck) { w.do("SADD", "group:run:g", "ghost") }, "no_body", nil},
	{"ParkedEntryWithoutBody", func(w *wreck) { w.do("ZADD", "group:wait:default", 0, "g 0000000000000001 ghost") }, "no_body", nil},
	{"ParkedEntryOfAnotherForm", func(w *wreck) { w.do("ZADD", "group:wait:default", 0, "nonsense") }, "no_body", nil},
	{"RunningBodyDeleted", func(w *wreck) { w.do("DEL", "task:run") }, "no_body no_body no_body unique_stale", func(w *wreck) {
		if got := w.claim(9); len(got) != 3 {
			w.t.Errorf("the group's next and the others can start; claimed %v", got)
		}
	}},
	{"WaitingBodyWithoutEntry", func(w *wreck) { w.do("ZREM", "wait:default", "wait") }, "no_entry", func(w *wreck) {
		if got := w.claim(2); len(got) != 2 || got[1].ID != "wait" {
			w.t.Errorf("claimed %v, want it at the end of the line", got)
		}
	}},
	{"LineDeleted", func(w *wreck) { w.do("DEL", "wait:default") }, "no_entry no_entry", func(w *wreck) {
		if got := w.claim(9); len(got) != 2 {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"ParkedBodyWithoutEntry", func(w *wreck) { w.do("DEL", "group:wait:default") }, "no_entry", func(w *wreck) {
		if got := w.claim(9); len(got) != 2 {
			w.t.Errorf("the group is full; claimed %v", got)
		}
	}},
	{"LeaseDeleted", func(w *wreck) { w.do("DEL", "running:default") }, "no_entry", func(w *wreck) {
		if lease := w.score("running:default", "run"); lease < float64(w.now(w.t).UnixMilli()) {
			w.t.Error("a live replica has no time to go on with its task")
		}
		verdicts, err := w.store.Renew(w.t.Context(), worker.Renewal{Replica: "r", Lease: time.Hour, Held: []worker.Held{{ID: "run", Fence: w.fence("run")}}})
		if err != nil || verdicts[0] != worker.Kept {
			w.t.Errorf("renewal: %v, %v", verdicts, err)
		}
	}},
	{"LeaseOfADeadReplicaDeleted", func(w *wreck) {
		w.must(w.store.Leave(w.t.Context(), "r"))
		w.do("DEL", "running:default")
	}, "no_entry", func(w *wreck) {
		if u, err := w.store.Maintain(w.t.Context(), "keeper"); err != nil || u.Lost != 1 {
			w.t.Errorf("upkeep %+v, %v: want the task lost", u, err)
		}
		if s := w.state("run"); s != worker.Waiting {
			w.t.Errorf("it is %s", s)
		}
	}},
	{"ScheduleDeleted", func(w *wreck) { w.do("DEL", "scheduled") }, "no_entry", func(w *wreck) {
		if due := w.score("scheduled", "later"); due < float64(w.now(w.t).Add(59*time.Minute).UnixMilli()) {
			w.t.Error("it is due too early")
		}
	}},
	{"EndedIndexDeleted", func(w *wreck) { w.do("DEL", "ended:failed") }, "no_entry", func(w *wreck) {
		if keep := w.score("ended:failed", "fail"); keep < float64(w.now(w.t).Add(6*24*time.Hour).UnixMilli()) {
			w.t.Error("it is removed too early")
		}
	}},
	{"ExpiringDeleted", func(w *wreck) { w.do("DEL", "expiring") }, "unwatched unwatched", nil},
	{"TaskInTwoIndexes", func(w *wreck) {
		w.do("ZADD", "scheduled", 9e15, "wait")
		w.do("ZADD", "wait:q", 5, "wait")
		w.do("ZADD", "running:default", 9e15, "wait2")
		w.do("ZADD", "ended:failed", 9e15, "run")
	}, "wrong_index wrong_index wrong_index wrong_index", nil},
	{"StateChangedByHand", func(w *wreck) { w.do("HSET", "task:wait", "state", "failed") }, "no_entry unique_stale wrong_index", nil},
	{"RunningToWaitingByHand", func(w *wreck) { w.do("HSET", "task:run", "state", "waiting") }, "no_entry wrong_index wrong_index", nil},
	{"QueueChangedByHand", func(w *wreck) { w.do("HSET", "task:wait", "queue", "q2") }, "no_entry queue_unlisted wrong_index", func(w *wreck) {
		if got := w.claim(9, "q2"); len(got) != 1 {
			w.t.Errorf("claimed %v from its new queue", got)
		}
	}},
	{"BodyOfAnotherType", func(w *wreck) { w.do("DEL", "task:wait"); w.do("SET", "task:wait", "x") }, "bad_body no_body unique_stale", nil},
	{"UnknownState", func(w *wreck) { w.do("HSET", "task:wait", "state", "dozing") }, "bad_body no_body unique_stale", nil},
	{"PayloadGone", func(w *wreck) { w.do("HDEL", "task:wait", "payload") }, "bad_body no_body unique_stale", nil},
	{"NumberSpoiled", func(w *wreck) { w.do("HSET", "task:wait", "created_at", "x") }, "bad_body no_body unique_stale", nil},
	{"NoUsableGroup", func(w *wreck) { w.do("HSET", "task:parked", "group", "a b") }, "bad_body no_body|bad_body wrong_index", nil},
	{"HistoryWithoutTask", func(w *wreck) { w.do("RPUSH", "history:ghost", "x") }, "history_alone", nil},
	{"UniqueKeyOfNobody", func(w *wreck) { w.do("SET", "unique:nobody", "ghost") }, "unique_stale", nil},
	{"UniqueKeyOfAnEndedTask", func(w *wreck) { w.do("SET", "unique:old", "done") }, "unique_stale", nil},
	{"UniqueKeyGone", func(w *wreck) { w.do("DEL", "unique:u") }, "unique_unheld", nil},
	{"RunningNotInItsGroup", func(w *wreck) { w.do("DEL", "group:run:g") }, "?group_stuck not_in_group", func(w *wreck) {
		for _, task := range w.claim(9) {
			if task.ID == "parked" {
				// The group looked empty to whoever looked first, so its next came to the line.
				w.t.Error("the group runs two")
			}
		}
	}},
	{"HeadOfNobody", func(w *wreck) { w.do("HSET", "group:head:default", "h", 77) }, "head_stale", nil},
	{"CountsThatNeverExpire", func(w *wreck) { w.do("HSET", "load:5", "in:default", "1") }, "load_stale", nil},
	{"QueuesForgotten", func(w *wreck) { w.do("DEL", "queues") }, "queue_unlisted queue_unlisted", nil},
	{"EventsOfAnotherType", func(w *wreck) { w.do("DEL", "events"); w.do("SET", "events", "x") }, "wrong_type", nil},
	{"MetaOfAnotherType", func(w *wreck) { w.do("DEL", "meta"); w.do("SET", "meta", "x") }, "?group_stuck meta_lost wrong_type|?group_stuck meta_lost sequence_behind wrong_type", func(w *wreck) {
		if _, _, err := w.store.Exchange(w.t.Context(), nil, []worker.Claim{{Replica: "r", Queue: "default", N: 1, Lease: time.Hour, Call: 1 << 40}}); !errors.Is(err, worker.ErrNotJoined) {
			w.t.Errorf("claim: %v, want ErrNotJoined: the replica has to bring its limits back", err)
		}
	}},
	{"SettingsDeleted", func(w *wreck) { w.do("DEL", "meta") }, "?group_stuck meta_lost|?group_stuck meta_lost sequence_behind", func(w *wreck) {
		before := w.fence("run")
		w.join(w.t, "r")
		if got := w.claim(1); len(got) != 1 || got[0].Fence <= before {
			w.t.Errorf("claimed %v: want a fence over %d", got, before)
		}
	}},
	{"SequenceSetBack", func(w *wreck) { w.do("HSET", "meta", "seq", 1) }, "?sequence_behind", func(w *wreck) {
		before := w.fence("run")
		if got := w.claim(1); len(got) != 1 || got[0].Fence <= before {
			w.t.Errorf("claimed %v: want a fence over %d", got, before)
		}
	}},
	{"RunningOfAnotherType", func(w *wreck) { w.do("DEL", "running:default"); w.do("SET", "running:default", "x") }, "no_entry wrong_type", nil},
	{"GroupRunOfAnotherType", func(w *wreck) { w.do("DEL", "group:run:g"); w.do("SET", "group:run:g", "x") }, "?group_stuck not_in_group wrong_type", nil},
	{"ReplicaRecordLeftBehind", func(w *wreck) { w.do("HSET", "replica:old", "seen_at", 5) }, "replica_alone", nil},
}
