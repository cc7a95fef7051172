package redisstore_test

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// damageCase is a way to break a pool.
type damageCase struct {
	name  string
	wreck func(w *wreck)
	codes string // of the findings, sorted; see wanted
	after func(w *wreck)
}

// damageCases are ways to break a pool, each with the expected findings and a check after the
// repair.
var damageCases = []damageCase{
	// Members of indexes without a task.
	{"WaitingEntryWithoutRecord", func(w *wreck) { w.do("ZADD", "wait:default", 1, "ghost") }, "no_record", func(w *wreck) {
		if got := w.claim(1); len(got) != 1 || got[0].ID != "wait" {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"RunEntryWithoutRecord", func(w *wreck) { w.do("HSET", "run:default", "ghost", runEntry(7, "r")) }, "no_record", nil},
	{"ScheduledEntryWithoutRecord", func(w *wreck) { w.do("ZADD", "scheduled", 8.9e15, "ghost") }, "no_record", nil},
	{"EndedEntryWithoutRecord", func(w *wreck) { w.do("ZADD", "ended:failed", 8.9e15, "ghost") }, "no_record", nil},
	{"ExpiringEntryWithoutRecord", func(w *wreck) { w.do("ZADD", "expiring", 8.9e15, "ghost") }, "no_record", nil},
	{"GroupMemberWithoutRecord", func(w *wreck) { w.do("SADD", "group:run:g", "ghost") }, "no_record", nil},
	{"CountedMemberWithoutRecord", func(w *wreck) { w.do("SADD", "counted", "ghost") }, "no_record", nil},
	{"ParkedEntryWithoutRecord", func(w *wreck) { w.do("ZADD", "group:wait:default", 0, "g 0000000000000001 ghost") }, "no_record", nil},
	{"ParkedEntryOfAnotherForm", func(w *wreck) { w.do("ZADD", "group:wait:default", 0, "nonsense") }, "no_record", nil},
	{"RunningRecordDeleted", func(w *wreck) { w.do("DEL", "task:run") }, "?no_record no_record no_record no_record unique_stale", func(w *wreck) {
		if got := w.claim(9); len(got) != 3 {
			w.t.Errorf("claimed %v, want the group's next task and the others", got)
		}
	}},

	// Tasks without an entry, or in a wrong entry.
	{"WaitingTaskWithoutEntry", func(w *wreck) { w.do("ZREM", "wait:default", "wait") }, "no_entry", func(w *wreck) {
		if got := w.claim(2); len(got) != 2 || got[0].ID != "wait" {
			w.t.Errorf("claimed %v, want it at its old position", got)
		}
	}},
	{"QueueDeleted", func(w *wreck) { w.do("DEL", "wait:default") }, "no_entry no_entry", func(w *wreck) {
		if got := w.claim(9); len(got) != 2 {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"ParkedTaskWithoutEntry", func(w *wreck) { w.do("DEL", "group:wait:default") }, "?stale_entry no_entry", func(w *wreck) {
		if got := w.claim(9); len(got) != 2 {
			w.t.Errorf("claimed %v, want none of the full group", got)
		}
	}},
	{"ScheduleDeleted", func(w *wreck) { w.do("DEL", "scheduled") }, "no_entry", func(w *wreck) {
		if w.score("scheduled", "later") < w.in(59*time.Minute) {
			w.t.Error("it is due too early")
		}
	}},
	{"ScheduledTooFar", func(w *wreck) { w.do("ZADD", "scheduled", 8.9e15, "later") }, "no_entry wrong_index", func(w *wreck) {
		if w.score("scheduled", "later") > w.in(time.Hour) {
			w.t.Error("it is due too late")
		}
	}},
	{"EndedIndexDeleted", func(w *wreck) { w.do("DEL", "ended:failed") }, "no_entry", func(w *wreck) {
		if w.score("ended:failed", "fail") < w.in(6*24*time.Hour) {
			w.t.Error("the task is removed too early")
		}
	}},
	{"ExpiringDeleted", func(w *wreck) { w.do("DEL", "expiring") }, "unwatched unwatched", nil},
	{"ExpiringTooFar", func(w *wreck) { w.do("ZADD", "expiring", 8.9e15, "wait2") }, "unwatched", nil},
	{"TaskInTwoIndexes", func(w *wreck) {
		w.do("ZADD", "scheduled", 8.9e15, "wait")
		w.do("ZADD", "wait:q", 5, "wait")
		w.do("HSET", "run:q", "wait2", runEntry(7, "r"))
		w.do("ZADD", "ended:failed", 8.9e15, "run")
	}, "wrong_index wrong_index wrong_index wrong_index", nil},
	{"PositionChanged", func(w *wreck) { w.do("ZADD", "wait:default", 5, "wait2") }, "no_entry wrong_index", func(w *wreck) {
		if got := w.claim(1); got[0].ID != "wait" {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"StateChangedByHand", func(w *wreck) { w.do("SETRANGE", "task:wait", 0, "F") }, "no_entry unique_stale wrong_index", nil},
	{"RunningToScheduledByHand", func(w *wreck) { w.do("SETRANGE", "task:run", 0, "s") }, "?wrong_index no_entry wrong_index wrong_index", func(w *wreck) {
		w.maintain()
		if s := w.state("run"); s != task.Waiting {
			w.t.Errorf("it is %s", s)
		}
	}},
	{"QueueChangedByHand", func(w *wreck) { w.rewrite("wait", " k - ", " k q2 ") }, "no_entry queue_unlisted wrong_index", func(w *wreck) {
		if got := w.claim(9, "q2"); len(got) != 1 {
			w.t.Errorf("claimed %v from its new queue", got)
		}
	}},

	// Records.
	{"RecordOfAnotherType", func(w *wreck) { w.do("DEL", "task:wait"); w.do("HSET", "task:wait", "a", 1) }, "no_record unique_stale wrong_type", nil},
	{"EmptyRecord", func(w *wreck) { w.do("SET", "task:wait", "") }, "bad_record no_record unique_stale", nil},
	{"UnknownState", func(w *wreck) { w.do("SETRANGE", "task:wait", 0, "z") }, "bad_record no_record unique_stale", nil},
	{"HeaderCut", func(w *wreck) { w.do("SET", "task:wait", "w0 17") }, "bad_record no_record unique_stale", nil},
	{"PositionSpoiled", func(w *wreck) { w.do("SETRANGE", "task:wait", 17, "9999999999999999") }, "bad_record no_record unique_stale", nil},
	{"NumberSpoiled", func(w *wreck) { w.rewrite("wait2", "expires_at=", "expires_at=x") }, "bad_record no_record no_record", nil},
	{"NoUsableGroup", func(w *wreck) { w.rewrite("blocked", "group=g", "group=-") }, "?stale_entry bad_record no_record", nil},
	{"ExtrasWithoutTask", func(w *wreck) { w.do("HSET", "more:ghost", "v", 5) }, "past_alone", nil},
	{"HistoryWithoutTask", func(w *wreck) { w.do("RPUSH", "history:ghost", "x") }, "past_alone", nil},
	{"ExtrasDenied", func(w *wreck) { w.do("SETRANGE", "task:fail", 1, "0") }, "past_unflagged", func(w *wreck) {
		if got := w.task("fail"); got.Attempt != 1 || got.Code != task.CodeError {
			w.t.Errorf("read %+v", got)
		}
	}},
	{"NumberInExtrasSpoiled", func(w *wreck) { w.do("HSET", "more:fail", "attempt", "x") }, "bad_setting", nil},
	{"UniqueKeyOfNoTask", func(w *wreck) { w.do("SET", "unique:nobody", "ghost") }, "unique_stale", nil},
	{"UniqueKeyOfAnEndedTask", func(w *wreck) { w.do("SET", "unique:old", "done") }, "unique_stale", nil},
	{"UniqueKeyGone", func(w *wreck) { w.do("DEL", "unique:u") }, "unique_unheld", nil},

	// Run entries, claims, leases.
	{"RunEntriesDeleted", func(w *wreck) { w.do("DEL", "run:default") }, "no_run no_run", func(w *wreck) {
		fence := w.fence("run")
		got, err := w.store.Renew(w.t.Context(), task.Renewal{Replica: "r", Lease: time.Hour, Held: []task.HeldClaim{{Fence: fence, Held: 2, Left: task.Forever}}})
		if err != nil || got.Verdicts[0] != task.Kept {
			w.t.Errorf("renewal: %+v, %v", got, err)
		}
		verdict := w.exchange(nil, task.Report{ID: "run", Queue: "default", Fence: fence, Op: task.Succeed}).Verdicts
		if verdict[0] != task.Accepted {
			w.t.Errorf("report: %v", verdict)
		}
	}},
	{"RunEntryUnreadable", func(w *wreck) { w.do("HSET", "run:default", "run", "x") }, "bad_run", func(w *wreck) {
		if u := w.maintain(); u.Lost != 1 || w.state("run") != task.Waiting {
			w.t.Errorf("maintenance %+v, and the task is %s", u, w.state("run"))
		}
	}},
	{"RunEntryDeniesItsEnd", func(w *wreck) {
		text := w.rdb.HGet(w.t.Context(), w.prefix+"run:default", "run").Val()
		w.do("HSET", "run:default", "run", flagOff(text))
	}, "run_unflagged", nil},
	{"ClaimsDeleted", func(w *wreck) { w.do("DEL", "claims") }, "lease_alone no_claim no_claim", func(w *wreck) {
		if u := w.maintain(); u.Lost != 2 || w.state("run") != task.Waiting || w.state("halt") != task.Stopped {
			w.t.Errorf("maintenance %+v; run is %s, halt is %s", u, w.state("run"), w.state("halt"))
		}
	}},
	{"ClaimUnreadable", func(w *wreck) { w.do("HSET", "claims", w.fence("run"), "x") }, "bad_claim no_claim no_claim", nil},
	{"ClaimOfAnotherQueue", func(w *wreck) {
		text := w.rdb.HGet(w.t.Context(), w.prefix+"claims", whole(w.fence("run"))).Val()
		w.do("HSET", "claims", w.fence("run"), otherQueue(text))
	}, "no_claim no_claim", nil},
	{"LeasesDeleted", func(w *wreck) { w.do("DEL", "leases") }, "no_lease", func(w *wreck) {
		if w.score("leases", whole(w.fence("run"))) < w.in(59*time.Minute) {
			w.t.Error("a live replica loses its tasks without a period of grace")
		}
	}},
	{"LeaseTooFar", func(w *wreck) { w.do("ZADD", "leases", 8.9e15, w.fence("run")) }, "far_lease", func(w *wreck) {
		if w.score("leases", whole(w.fence("run"))) > w.in(time.Hour) {
			w.t.Error("its lease still ends too late")
		}
	}},
	{"TimeOutsideGone", func(w *wreck) { w.detach("run"); w.do("DEL", "outside") }, "no_outside", func(w *wreck) {
		if at := w.score("outside", "run"); at < w.in(50*time.Minute) || at > w.in(time.Hour) {
			w.t.Errorf("it is outside until %v, now is %v", at, w.in(0))
		}
		w.stop("run")
	}},
	{"TimeOutsideTooFar", func(w *wreck) { w.detach("run"); w.do("ZADD", "outside", 8.9e15, "run") }, "far_outside", func(w *wreck) {
		if w.score("outside", "run") > w.in(time.Hour) {
			w.t.Error("it is still outside for too long")
		}
		w.stop("run")
	}},
	{"TakeOversGone", func(w *wreck) { w.abandonJob("run"); w.do("DEL", "takeover:default") }, "no_entry", wantTakeOver},
	{"NoteOfTakeOversGone", func(w *wreck) { w.abandonJob("run"); w.do("HDEL", "meta", "takeover:default") }, "not_ready", wantTakeOver},
	{"TimerOfAQueueGone", func(w *wreck) { w.exhaust("q"); w.do("DEL", "timers") }, "no_timer", wantTimer("q q")},
	{"TimerOfAQueueTooLate", func(w *wreck) { w.exhaust("q"); w.do("ZADD", "timers", 8.9e15, "q q") }, "far_timer", wantTimer("q q")},
	{"TimerOfAGroupGone", func(w *wreck) { w.exhaustGroup("limited"); w.do("DEL", "timers") }, "no_timer", wantTimerOfGroup},
	{"TimerOfAGroupTooLate", func(w *wreck) { w.exhaustGroup("limited"); w.do("ZADD", "timers", 8.9e15, "g limited") }, "far_timer", wantTimerOfGroup},
	{"TimerOfNothing", func(w *wreck) { w.do("ZADD", "timers", 1, "ghost") }, "stale_entry", nil},
	{"RateThatIsNone", func(w *wreck) { w.do("HSET", "meta", "rate:queue:q", "fast", "special:q", 1) }, "bad_setting", nil},
	{"RateNotSpecial", func(w *wreck) { w.do("HSET", "meta", "rate:queue:q", "1/s burst 1") }, "not_special", nil},
	{"TakeOverOfNoTask", func(w *wreck) { w.do("ZADD", "takeover:default", 1, "ghost") }, "no_record not_ready", nil},
	{"TakeOverOfAWaitingTask", func(w *wreck) { w.abandonJob("run"); w.do("ZADD", "takeover:default", 1, "wait") }, "wrong_index", wantTakeOver},
	{"OutsideOfNoTask", func(w *wreck) { w.do("ZADD", "outside", 8.9e15, "ghost") }, "no_record", nil},
	{"OutsideOfAWaitingTask", func(w *wreck) { w.do("ZADD", "outside", 8.9e15, "wait") }, "wrong_index", nil},
	{"StagedOfNoTask", func(w *wreck) { w.do("SADD", "staged:k", "ghost") }, "no_record", nil},
	{"StagedOfAWaitingTask", func(w *wreck) { w.do("SADD", "staged:k", "wait") }, "wrong_index", nil},
	{"ExportingTaskNotStaged", func(w *wreck) { w.stage("run"); w.do("DEL", "staged:k") }, "no_entry", (*wreck).saves},
	{"ExportingTaskInNoQueue", func(w *wreck) { w.stage("run"); w.do("DEL", "wait:export:k") }, "no_entry", (*wreck).saves},
	{"SaveWithoutAClaim", func(w *wreck) {
		w.stage("run")
		w.claim(1, "export:k")
		w.do("HSET", "run:export:k", "run", runEntry(1, "r"))
	}, "no_claim", (*wreck).saves},
	{"TriggerUnlisted", func(w *wreck) { w.setTrigger("t"); w.do("ZREM", "triggers", "t") }, "trigger_unlisted", func(w *wreck) {
		if at := w.score("triggers", "t"); at < w.in(30*time.Minute) {
			w.t.Errorf("it is due in %v", at-w.in(0))
		}
	}},
	{"BulkJobThatIsNoJSON", func(w *wreck) { w.do("HSET", "bulk:j", "rev", 1, "job", "{"); w.do("SADD", "bulks:open", "j") }, "bad_job", func(w *wreck) {
		if w.rdb.Exists(w.t.Context(), w.prefix+"bulks:open").Val() > 0 {
			w.t.Error("the job is still open")
		}
	}},
	{"HistoryOfNoTrigger", func(w *wreck) { w.do("RPUSH", "fired:t", "{}") }, "stale_entry", nil},
	{"FullKindWithoutBlockedTasks", func(w *wreck) { w.do("SADD", "full", "k") }, "stale_entry", nil},
	{"ReportThatDoesNotExpire", func(w *wreck) { w.do("SET", "reported:ab", "x") }, "no_expiry", nil},
	{"LeaseOfNoClaim", func(w *wreck) { w.do("ZADD", "leases", 8.9e15, 77) }, "lease_alone", nil},
	{"StopsDeleted", func(w *wreck) { w.do("DEL", "stop:r") }, "stop_lost", func(w *wreck) {
		if got := w.exchange(nil); len(got.Stops) != 1 || got.Stops[0].ID != "halt" {
			w.t.Errorf("stops %v", got.Stops)
		}
	}},
	{"StopsUnseen", func(w *wreck) { w.do("HDEL", "replica:r", "stop") }, "stop_lost", nil},
	{"StopOfNoAttempt", func(w *wreck) { w.do("SADD", "stop:r", "1 ghost") }, "stale_entry", nil},

	// Limits.
	{"RunningNotInItsGroup", func(w *wreck) { w.do("DEL", "group:run:g") }, "?group_stuck not_in_group", func(w *wreck) {
		for _, task := range w.claim(9) {
			if task.ID == "blocked" {
				// The walk may have checked the group before the member. Then the group's next task
				// is already in the queue.
				w.t.Error("the group runs two")
			}
		}
	}},
	{"GroupWithRoomStuck", func(w *wreck) { w.do("HSET", "meta", "limit:group:g", 2) }, "group_stuck", func(w *wreck) {
		if got := w.claim(9); len(got) != 3 {
			w.t.Errorf("claimed %v", got)
		}
	}},
	{"HeadOfNoTask", func(w *wreck) { w.do("HSET", "group:head:default", "h", 77) }, "stale_head", nil},
	{"GroupNotListed", func(w *wreck) { w.do("DEL", "group:queues:g") }, "group_unlisted", nil},
	{"GroupListedWithoutTasks", func(w *wreck) { w.do("SADD", "group:queues:h", "q") }, "stale_entry", nil},
	{"CountedDeleted", func(w *wreck) { w.do("DEL", "counted") }, "not_counted not_counted", nil},
	{"CountedWithoutLimit", func(w *wreck) {
		w.limit(task.PoolScope, "", 0)
		w.do("SADD", "counted", "run")
	}, "stale_entry", nil},
	{"HeldForgotten", func(w *wreck) {
		w.limit(task.PoolScope, "", 2)
		w.claim(1)
		w.claim(1, "q")
		w.do("DEL", "held")
	}, "not_ready not_ready", nil},

	// Queues, classes, replicas.
	{"QueuesForgotten", func(w *wreck) { w.do("DEL", "queues") }, "queue_unlisted queue_unlisted", nil},
	{"ReadyForgotten", func(w *wreck) { w.do("DEL", "ready:"+w.class()) }, "not_ready not_ready", nil},
	{"ReadyOfNoQueue", func(w *wreck) { w.do("ZADD", "ready:"+w.class(), 5, "nowhere") }, "stale_entry", nil},
	{"IdleOfNoReplica", func(w *wreck) { w.do("ZADD", "idle:"+w.class(), 5, "ghost") }, "stale_entry", nil},
	{"ClassDeleted", func(w *wreck) { w.do("DEL", "class:"+w.class()) }, "not_in_class …", nil},
	{"ClassOfNoReplica", func(w *wreck) {
		w.do("HSET", "class:x", "complete", 1)
		w.do("ZADD", "ready:y", 5, "default")
	}, "class_alone class_alone", nil},
	{"ClassMemberGone", func(w *wreck) { w.do("HSET", "class:"+w.class(), "r:ghost", 1) }, "stale_entry", nil},
	{"QueueServedByNoClass", func(w *wreck) { w.do("DEL", "served:default") }, "?not_ready ?stale_entry not_in_class", func(w *wreck) {
		if w.score("ready:"+w.class(), "default") == 0 {
			w.t.Error("the queue is not ready")
		}
	}},
	{"ReplicaRecordLeftBehind", func(w *wreck) { w.do("HSET", "replica:old", "seen_at", 5) }, "replica_alone", nil},
	{"FormerReplicaWithoutATime", func(w *wreck) { w.do("HSET", "former", "gone", `{"host":"h"}`) }, "former_unlisted", func(w *wreck) {
		if w.score("former:left", "gone") == 0 {
			w.t.Error("the replica has no time")
		}
	}},
	{"TimeOfNoFormerReplica", func(w *wreck) { w.do("ZADD", "former:left", 8.9e15, "gone") }, "stale_entry", nil},
	{"ReplicaWithoutRecord", func(w *wreck) { w.do("ZADD", "replicas", 8.9e15, "ghost") }, "stale_entry", nil},
	{"ReplicaAliveTooLong", func(w *wreck) { w.do("ZADD", "replicas", 8.9e15, "r") }, "far_lease", func(w *wreck) {
		if w.score("replicas", "r") > w.in(time.Hour) {
			w.t.Error("the replica stays on the list for too long")
		}
	}},

	// Settings, totals and other keys.
	{"LimitSpoiled", func(w *wreck) { w.do("HSET", "meta", "limit:queue:default", "x") }, "bad_setting", nil},
	{"LimitOfAQueueIsTheMarkOfAnExemptGroup", func(w *wreck) { w.do("HSET", "meta", "limit:queue:default", "none") }, "bad_setting", nil},
	{"TotalSpoiled", func(w *wreck) { w.do("HSET", "stats", "succeeded", "x") }, "bad_setting", nil},
	{"SettingsDeleted", func(w *wreck) { w.do("DEL", "meta") }, "meta_lost …", func(w *wreck) {
		before := w.fence("run")
		w.joinAgain()
		if got := w.claim(1); len(got) != 1 || got[0].Fence <= before {
			w.t.Errorf("claimed %v: want a fence above %d", got, before)
		}
	}},
	{"SequenceSetBack", func(w *wreck) { w.do("HSET", "meta", "seq", 1) }, "?sequence_behind", nil},
	{"FenceSetBack", func(w *wreck) { w.do("HSET", "meta", "fence", 1) }, "sequence_behind", func(w *wreck) {
		before := w.fence("run")
		if got := w.claim(1); len(got) != 1 || got[0].Fence <= before {
			w.t.Errorf("claimed %v: want a fence above %d", got, before)
		}
	}},
	{"EventsDeleted", func(w *wreck) { w.do("DEL", "events") }, "events_miscounted", nil},
	{"EventsMiscounted", func(w *wreck) { w.do("HSET", "meta", "events:gone", 1e9) }, "events_miscounted", func(w *wreck) {
		if st, err := w.store.Stats(w.t.Context()); err != nil || st.Events < 10 || st.Events > 100 {
			w.t.Errorf("%d events, %v", st.Events, err)
		}
	}},
	{"CountsThatNeverExpire", func(w *wreck) { w.do("HSET", "load:5", "in:default", "1") }, "load_stale", nil},
	{"ReplyThatNeverExpires", func(w *wreck) { w.do("RPUSH", "reply:x", "{}") }, "no_expiry", nil},

	// Keys of another type.
	{"EventsOfAnotherType", func(w *wreck) { w.do("DEL", "events"); w.do("SET", "events", "x") }, "events_miscounted wrong_type", nil},
	{"MetaOfAnotherType", func(w *wreck) { w.do("DEL", "meta"); w.do("SET", "meta", "x") }, "meta_lost wrong_type …", nil},
	{"RunOfAnotherType", func(w *wreck) { w.do("DEL", "run:default"); w.do("SET", "run:default", "x") }, "no_run no_run wrong_type …", nil},
	{"ClaimsOfAnotherType", func(w *wreck) { w.do("DEL", "claims"); w.do("SET", "claims", "x") }, "no_claim no_claim wrong_type …", nil},
	{"ServedOfAnotherType", func(w *wreck) { w.do("DEL", "served:default"); w.do("SET", "served:default", "x") }, "not_in_class wrong_type …", nil},
	{"GroupRunOfAnotherType", func(w *wreck) { w.do("DEL", "group:run:g"); w.do("SET", "group:run:g", "x") }, "?group_stuck not_in_group wrong_type", nil},
}

// abandonJob releases a task with a job, so that it waits for a take-over.
func (w *wreck) abandonJob(id string) {
	w.t.Helper()
	fence := w.fence(id)
	w.must(w.store.SaveJob(w.t.Context(), "default", task.Attempt{ID: id, Fence: fence}, 1, nil, "job 7"))
	w.exchange(nil, task.Report{ID: id, Queue: "default", Fence: fence, Op: task.Release, Code: task.CodeReleased})
}

func wantTakeOver(w *wreck) {
	if got := w.claim(1); len(got) != 1 || got[0].ID != "run" || got[0].Job != "job 7" {
		w.t.Errorf("claimed %v, want the task with a job", got)
	}
}
