package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var avoidRules = []rule{
	{"RetryAvoidsTheReplicaThatFailed", retryAvoids},
	{"AvoidedReplicaRunsTheRetryAfterAWhile", avoidedReplicaRunsIt},
	{"OnlyReplicaOfAQueueIsNotAvoided", onlyReplicaIsNotAvoided},
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
