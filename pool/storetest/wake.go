package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules about signals to idle replicas.
var wakeRules = []rule{
	{"EveryPathThatFreesASlotSignalsAReplica", everyPathThatFreesASlot},
	{"EveryPathThatMakesWorkClaimableSignalsAReplica", everyPathThatMakesWorkClaimable},
	{"PoolLimitFreedByAnotherQueueSignalsAReplica", poolLimitFreedByAnotherQueue},
	{"ClaimThatLeavesWorkSignalsAnotherReplica", claimThatLeavesWork},
	{"NoReplicaIsSignalledWithoutClaimableWork", noSignalWithoutWork},
	{"EarlierScheduledTaskSignalsAReplica", earlierScheduledTask},
	{"OneReplicaIsSignalledForOneTask", oneReplicaIsSignalled},
	{"ReplicaOfEveryClassCanBeSignalled", everyClass},
	{"AnyOfManyQueuesSignalsAReplica", anyOfManyQueues},
}

// serve joins a replica that serves the queues and whose signals are checked.
func (fx *fixture) serve(replica string, queues ...string) {
	fx.Helper()
	r := task.Registration{Replica: replica, Lease: time.Hour, Queues: map[string]task.QueueConfig{}}
	for _, q := range queues {
		r.Queues[q] = task.QueueConfig{Workers: 9}
	}
	fx.join(r)
	fx.serving = append(fx.serving, replica)
}

// becomeIdle makes replicas idle: each claims from the queues that are returned as
// ready and gets no task.
func (fx *fixture) becomeIdle(replicas ...string) {
	fx.Helper()
	for _, r := range replicas {
		if got := fx.idle(r); len(got) > 0 {
			fx.Fatalf("%s should become idle and got %v", r, ids(got))
		}
	}
}

// idle makes a replica idle, or returns the tasks that it gets.
func (fx *fixture) idle(replica string) []*task.Task {
	fx.Helper()
	fx.Signals(fx, replica)
	got := fx.send(task.Exchange{Replica: replica, Idle: true})
	for round := 0; len(got.Ready) > 0; round++ {
		if round == 20 {
			fx.Fatalf("%s repeatedly gets %v as ready", replica, got.Ready)
		}
		x := task.Exchange{Replica: replica, Idle: true}
		for _, q := range got.Ready {
			x.Claims = append(x.Claims, task.Claim{Queue: q, N: 1})
		}
		if got = fx.send(x); len(got.Claimed) > 0 {
			return tasks(got)
		}
	}
	return nil
}

// idleBefore makes a replica idle before a new task of queue q is due. It waits until the task is due.
func (fx *fixture) idleBefore(replica string, labels ...string) {
	fx.Helper()
	fx.waitPast(fx.inTime(func(short time.Duration) bool {
		fx.enqueue(task.Spec{Queue: "q", Delay: short, Labels: labels})
		got := fx.idle(replica)
		for _, t := range got {
			fx.acceptOf(replica, succeed(t))
		}
		return len(got) == 0
	}))
}

// wantSignals removes the signals of the serving replicas and compares them, each as
// "REPLICA SIGNAL".
func (fx *fixture) wantSignals(why string, want ...string) {
	fx.Helper()
	var got []string
	for _, r := range fx.serving {
		for _, s := range fx.Signals(fx, r) {
			got = append(got, r+" "+s)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		fx.Errorf("%s: signals (-want +got):\n%s", why, d)
	}
}

// signalledFor removes the signals of the serving replicas and returns the replicas
// that were signalled for the queue.
func (fx *fixture) signalledFor(queue string) []string {
	fx.Helper()
	var got []string
	for _, r := range fx.serving {
		for _, s := range fx.Signals(fx, r) {
			if s == "q:"+queue {
				got = append(got, r)
			}
		}
	}
	return got
}

// Each path is tested with a queue limit, a group limit and a pool limit of 1.
func everyPathThatFreesASlot(fx *fixture) {
	stopped := func(t *task.Task) task.Report {
		fx.stop(t.ID)
		return fail(t, task.CodeStopped)
	}
	paths := map[string]func(t *task.Task){
		"success":       func(t *task.Task) { fx.accept(succeed(t)) },
		"failure":       func(t *task.Task) { fx.accept(fail(t, task.CodePermanent)) },
		"retry":         func(t *task.Task) { fx.accept(failIn(t, time.Hour)) },
		"retry at once": func(t *task.Task) { fx.accept(failIn(t, 0)) },
		"stop":          func(t *task.Task) { fx.accept(stopped(t)) },
		"release":       func(t *task.Task) { fx.accept(release(t, 0)) },
		"long release":  func(t *task.Task) { fx.accept(release(t, time.Hour)) },
		"lost lease":    func(t *task.Task) { fx.loseLeases(t) },
		"recount": func(t *task.Task) {
			fx.renew("r", lease, task.HeldClaim{Fence: t.Fence, Held: 1, IDs: []string{"none"}, Left: time.Hour})
		},
		"claim of another queue": func(t *task.Task) {
			fx.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "unrelated", N: 1}}})
		},
	}
	limits := map[string]task.Setting{
		"queue": {Scope: task.QueueScope, Name: "q"}, "group": {Scope: task.GroupScope, Name: "g"},
		"groups": {Scope: task.GroupsScope}, "pool": {Scope: task.PoolScope},
	}
	fx.serve("w", "q", "p")
	for limit, s := range limits {
		s.Limit = ptr(1)
		fx.configure(s)
		for path, free := range paths {
			why := path + " under a limit of the " + limit
			t := fx.start(task.Spec{Queue: "q", Group: "g"})
			fx.enqueue(task.Spec{Queue: "q", Group: "g"})
			fx.becomeIdle("w")
			free(t)
			if path == "retry" || path == "long release" { // these also schedule a task
				fx.wantSignalled(why, "w")
			} else {
				fx.wantSignals(why, "w q:q")
			}
			if n := len(fx.claimAs(task.Exchange{Replica: "w"}, "q", 5)); n != 1 {
				fx.Errorf("%s: %d started", why, n)
			}
			fx.endAll("q")
		}
		s.Limit = ptr(0)
		fx.configure(s)
	}
}

// wantSignalled checks which replicas were signalled for q. Other signals do not
// matter.
func (fx *fixture) wantSignalled(why string, want ...string) {
	fx.Helper()
	if d := cmp.Diff(want, fx.signalledFor("q")); d != "" {
		fx.Errorf("%s: signalled for q (-want +got):\n%s", why, d)
	}
}

func everyPathThatMakesWorkClaimable(fx *fixture) {
	sleep := func() { fx.becomeIdle("w") }
	paths := map[string]func(){
		"enqueue":                       func() { sleep(); fx.enqueue(task.Spec{Queue: "q"}) },
		"grouped":                       func() { sleep(); fx.enqueue(task.Spec{Queue: "q", Group: "g"}) },
		"inbox":                         func() { sleep(); fx.Push(fx, `{"kind":"k","queue":"q"}`); fx.admit() },
		"due":                           func() { fx.idleBefore("w"); fx.maintain() },
		"due, in an exchange elsewhere": func() { fx.idleBefore("w"); fx.claim("other", 1) },
		"retry by an operator": func() {
			id := fx.enqueue(task.Spec{Queue: "q"})
			fx.stop(id)
			sleep()
			fx.retry(id)
		},
		"run now": func() {
			id := fx.enqueue(task.Spec{Queue: "q", Delay: time.Hour})
			sleep()
			fx.runNow(id)
		},
		"release": func() {
			t := fx.start(task.Spec{Queue: "q"})
			sleep()
			fx.accept(release(t, 0))
		},
		"resume": func() {
			fx.pause(task.QueueScope, "q", true)
			fx.enqueue(task.Spec{Queue: "q"})
			sleep()
			fx.pause(task.QueueScope, "q", false)
		},
		"resume of the pool": func() {
			fx.pause(task.PoolScope, "", true)
			fx.enqueue(task.Spec{Queue: "q"})
			sleep()
			fx.pause(task.PoolScope, "", false)
		},
	}
	fx.serve("w", "p", "q")
	for path, f := range paths {
		f()
		fx.wantSignals(path, "w q:q")
		if n := len(fx.claimAs(task.Exchange{Replica: "w"}, "q", 5)); n != 1 {
			fx.Errorf("%s: %d started", path, n)
		}
		fx.endAll("q")
	}
}

func poolLimitFreedByAnotherQueue(fx *fixture) {
	fx.limit(task.PoolScope, "", 1)
	t := fx.start(task.Spec{Queue: "p"})
	fx.enqueue(task.Spec{ID: "next", Queue: "q"})
	fx.serve("w", "q")
	fx.becomeIdle("w")
	fx.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "p", N: 1}}})
	fx.wantSignals("freed from p", "w q:q")
	fx.wantIDs(fx.claim("q", 1), "next")
}

// A batch of tasks signals one replica. That replica claims as many tasks as it has
// slots, and its claim signals the next one.
func claimThatLeavesWork(fx *fixture) {
	for i := range 3 {
		fx.serve(fmt.Sprint("w", i), "q")
	}
	fx.becomeIdle(fx.serving...)
	fx.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	seen := map[string]bool{}
	for _, left := range []int{3, 1, 0} {
		w := fx.signalledFor("q")
		if len(w) != 1 || seen[w[0]] {
			fx.Fatalf("signalled are %v, before %v", w, seen)
		}
		seen[w[0]] = true
		got := fx.send(task.Exchange{Replica: w[0], Claims: []task.Claim{{Queue: "q", N: 2}}})
		if len(tasks(got)) != min(left+1, 2) && left != 3 {
			fx.Errorf("%s got %v", w[0], ids(tasks(got)))
		}
	}
	fx.wantSignals("nothing is left")
}

func noSignalWithoutWork(fx *fixture) {
	fx.limit(task.QueueScope, "q", 1)
	fx.limit(task.GroupScope, "g", 1)
	fx.serve("w", "p", "q")
	fx.start(task.Spec{Queue: "q"})
	fx.start(task.Spec{Queue: "p", Group: "g"})
	fx.pause(task.QueueScope, "paused", true)
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("the queue is at its limit")
	fx.enqueue(task.Spec{Queue: "p", Group: "g"})
	for _, s := range fx.signalledFor("p") { // the claim finds the group full
		fx.becomeIdle(s)
	}
	fx.enqueue(task.Spec{Queue: "paused"})
	fx.enqueue(task.Spec{Queue: "unserved"})
	fx.maintain()
	fx.wantSignals("no queue of the replica has claimable work")
	fx.limit(task.PoolScope, "", 2)
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{Queue: "p"})
	fx.wantSignals("the pool is at its limit")
}

func earlierScheduledTask(fx *fixture) {
	fx.serve("w", "q")
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{Queue: "q", Delay: time.Hour})
	fx.wantSignals("first scheduled", "w due")
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{Queue: "q", Delay: 2 * time.Hour})
	fx.wantSignals("a later one")
	fx.enqueue(task.Spec{Queue: "q", Delay: time.Minute})
	fx.wantSignals("an earlier one", "w due")
	t := fx.start(task.Spec{Queue: "q"})
	fx.becomeIdle("w")
	fx.accept(failIn(t, time.Second))
	fx.wantSignals("an earlier retry", "w due")
	fx.wantState(t.ID, task.Scheduled)
}

func oneReplicaIsSignalled(fx *fixture) {
	for i := range 4 {
		fx.serve(fmt.Sprint("w", i), "p", "q")
	}
	fx.becomeIdle(fx.serving...)
	fx.waitPast(2 * time.Millisecond) // a replica that claims and becomes idle again is signalled after the others
	awake := map[string]bool{}
	for range 4 {
		fx.enqueue(task.Spec{Queue: "q"})
		w := fx.signalledFor("q")
		if len(w) != 1 || awake[w[0]] {
			fx.Fatalf("signalled for one task are %v, before %v", w, awake)
		}
		awake[w[0]] = true
		if got := fx.claimAs(task.Exchange{Replica: w[0]}, "q", 1); len(got) != 1 {
			fx.Errorf("%s got %v", w[0], ids(got))
		}
	}
}

func everyClass(fx *fixture) {
	fx.serve("a", "q")
	fx.serve("b", "p", "q")
	fx.serve("c", "p")
	fx.becomeIdle("b", "c")
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("only b is idle and serves q", "b q:q")
	fx.endAll("q")
	fx.becomeIdle("a", "b", "c")
	fx.enqueue(task.Spec{Queue: "q"})
	if w := fx.signalledFor("q"); len(w) == 0 || slices.Contains(w, "c") {
		fx.Errorf("signalled are %v, want a, b or both", w)
	}
	fx.endAll("q")
	fx.becomeIdle("a", "b", "c")
	fx.enqueue(task.Spec{Queue: "p"})
	if w := fx.signalledFor("p"); len(w) == 0 || slices.Contains(w, "a") {
		fx.Errorf("signalled are %v, want b, c or both", w)
	}
}

func anyOfManyQueues(fx *fixture) {
	const n = 1500
	queues := make([]string, n)
	for i := range queues {
		queues[i] = fmt.Sprint("q", i)
	}
	fx.serve("v", queues...)
	fx.serve("w", queues...)
	fx.becomeIdle("v", "w")
	for _, i := range []int{0, n - 1, 700, 64, 1023} {
		fx.enqueue(task.Spec{Queue: queues[i]})
		w := fx.signalledFor(queues[i])
		if len(w) != 1 {
			fx.Fatalf("signalled for %s are %v", queues[i], w)
		}
		if got := fx.claimAs(task.Exchange{Replica: w[0]}, queues[i], 1); len(got) != 1 {
			fx.Errorf("%s got %v", w[0], ids(got))
		}
		fx.becomeIdle(w[0])
	}
}
