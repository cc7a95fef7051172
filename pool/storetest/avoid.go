package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var avoidRules = []rule{
	{"RetryAvoidsTheReplicaThatFailed", retryAvoids},
	{"AvoidedReplicaRunsTheRetryAfterAWhile", avoidedReplicaRunsIt},
	{"OnlyReplicaOfAQueueIsNotAvoided", onlyReplicaIsNotAvoided},
	{"OnlyReplicaOfALineIsNotAvoided", onlyReplicaOfALine},
}

// serveAvoiding joins replicas that serve the default queue and whose policy of kind "k" avoids
// the replica that failed.
func (fx *fixture) serveAvoiding(replicas ...string) {
	fx.Helper()
	for _, r := range replicas {
		fx.join(task.Registration{Replica: r, Lease: time.Hour, Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 9}},
			Kinds: map[string]task.Policy{"k": {AvoidFailed: true}}})
	}
}

func (fx *fixture) claimFor(replica string) []*task.Task {
	fx.Helper()
	return tasks(fx.send(task.Exchange{Replica: replica, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 9}}}))
}

func retryAvoids(fx *fixture) {
	fx.serveAvoiding("a", "b")
	for _, group := range []string{"", "g"} {
		fx.limit(task.GroupScope, "g", 1)
		id, other := "x"+group, "other"+group
		fx.enqueue(task.Spec{ID: id, Group: group, MaxAttempts: 3})
		got := fx.claimFor("a")
		fx.wantIDs(got, id)
		fx.accept(failIn(got[0], 0))
		fx.enqueue(task.Spec{ID: other, Group: group})
		got = fx.claimFor("a")
		fx.wantIDs(got, other) // it does not block the tasks behind it
		if now := fx.wantState(id, task.Scheduled); now.DueAt.Sub(fx.Now(fx)) > 200*time.Millisecond || now.Attempt != 1 || now.Failures != 1 || now.Code != task.CodeError {
			fx.Errorf("deferred: %+v", now)
		}
		fx.accept(succeed(got[0]))
		fx.runNow(id)
		got = fx.claimFor("b")
		fx.wantIDs(got, id)
		fx.accept(failIn(got[0], 0))
		fx.wantIDs(fx.claimFor("b"))
		fx.runNow(id)
		got = fx.claimFor("a")
		fx.wantIDs(got, id)
		fx.accept(succeed(got[0]))
		for i, e := range fx.eventsOf(id) {
			if e.Version != int64(i+1) {
				fx.Errorf("event %d: %+v", i, e)
			}
		}
		fx.wantNoTrace(id)
	}
}

func avoidedReplicaRunsIt(fx *fixture) {
	fx.serveAvoiding("a", "b")
	fx.enqueue(task.Spec{ID: "x"})
	fx.accept(failIn(fx.claimFor("a")[0], 0))
	deferrals := 0
	for ; ; deferrals++ {
		x := fx.send(task.Exchange{Replica: "a", Idle: true, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 9}}})
		if got := tasks(x); len(got) > 0 {
			fx.accept(succeed(got[0]))
			break
		}
		if x.Next <= 0 || x.Next > 200*time.Millisecond {
			fx.Fatalf("the next task is due in %v", x.Next)
		}
		fx.runNow("x")
	}
	if deferrals != 5 {
		fx.Errorf("%d deferrals", deferrals)
	}
}

func onlyReplicaIsNotAvoided(fx *fixture) {
	fx.serveAvoiding("a")
	fx.join(task.Registration{Replica: "c", Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 9}}})
	fx.enqueue(task.Spec{ID: "x"})
	fx.accept(failIn(fx.claimFor("a")[0], 0))
	got := fx.claimFor("a")
	fx.wantIDs(got, "x")
	fx.accept(succeed(got[0]))
}

// Other replicas have the same queues, kinds and labels, and may not take the task.
func onlyReplicaOfALine(fx *fixture) {
	kinds := map[string]task.Policy{"k": {AvoidFailed: true}}
	for replica, host := range map[string]string{"a": "h", "b": "h", "c": "alone"} {
		fx.joinLabelled(task.Registration{Replica: replica, Host: host, Kinds: kinds})
	}
	for label, c := range map[string]struct {
		replica string
		avoided bool
	}{"id=a": {"a", false}, "host=alone": {"c", false}, "host=h": {"a", true}} {
		id := fx.put("", label)
		fx.accept(failIn(fx.take(c.replica, 1)[0], 0))
		if got := fx.take(c.replica, 1); (len(got) == 0) != c.avoided {
			fx.Errorf("%s: %s got %d tasks of its retry", label, c.replica, len(got))
		} else if len(got) > 0 {
			fx.accept(succeed(got[0]))
		} else {
			fx.stop(id)
		}
	}
}
