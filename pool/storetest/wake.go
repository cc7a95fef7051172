package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of what wakes an idle replica.
var wakeRules = []rule{
	{"EveryPathThatFreesASlotWakesAReplica", everyPathThatFreesASlot},
	{"EveryPathThatMakesWorkClaimableWakesAReplica", everyPathThatMakesWorkClaimable},
	{"PoolLimitFreedByAnotherQueueWakesAReplica", poolLimitFreedByAnotherQueue},
	{"ClaimThatLeavesWorkWakesAnotherReplica", claimThatLeavesWork},
	{"NoReplicaIsWokenWithoutClaimableWork", noSignalWithoutWork},
	{"SoonerScheduledTaskWakesAReplica", soonerScheduledTask},
	{"OneReplicaIsWokenForOneTask", oneReplicaIsWoken},
	{"ReplicaOfEveryClassCanBeWoken", everyClass},
	{"AnyOfManyQueuesWakesAReplica", anyOfManyQueues},
}

// serve joins a replica that serves the queues and is expected to be woken.
func (b *bundle) serve(replica string, queues ...string) {
	b.Helper()
	r := task.Registration{Replica: replica, Lease: time.Hour, Queues: map[string]task.QueueConfig{}}
	for _, q := range queues {
		r.Queues[q] = task.QueueConfig{Workers: 9}
	}
	b.join(r)
	b.serving = append(b.serving, replica)
}

// sleep lets replicas become idle, as they do: each asks the queues that it is
// told are ready, and finds nothing that it can claim.
func (b *bundle) sleep(replicas ...string) {
	b.Helper()
	for _, r := range replicas {
		b.Signals(b, r)
		got := b.send(task.Exchange{Replica: r, Idle: true})
		for round := 0; len(got.Ready) > 0; round++ {
			if round == 20 {
				b.Fatalf("%s is told again and again that %v are ready", r, got.Ready)
			}
			x := task.Exchange{Replica: r, Idle: true}
			for _, q := range got.Ready {
				x.Claims = append(x.Claims, task.Claim{Queue: q, N: 1})
			}
			if got = b.send(x); len(got.Claimed) > 0 {
				b.Fatalf("%s is to sleep and got %v", r, ids(tasks(got)))
			}
		}
	}
}

// wantSignals takes the signals of the serving replicas, each "REPLICA SIGNAL".
func (b *bundle) wantSignals(why string, want ...string) {
	b.Helper()
	var got []string
	for _, r := range b.serving {
		for _, s := range b.Signals(b, r) {
			got = append(got, r+" "+s)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		b.Errorf("%s: signals (-want +got):\n%s", why, d)
	}
}

// woken takes the signals of the serving replicas that are for the queue, and
// returns whose they were.
func (b *bundle) woken(queue string) []string {
	b.Helper()
	var got []string
	for _, r := range b.serving {
		for _, s := range b.Signals(b, r) {
			if s == "q:"+queue {
				got = append(got, r)
			}
		}
	}
	return got
}

// Each path is tried with a queue limit, a group limit and a pool limit of 1.
func everyPathThatFreesASlot(b *bundle) {
	stopped := func(t *task.Task) task.Report {
		b.stop(t.ID)
		return fail(t, task.CodeStopped)
	}
	paths := map[string]func(t *task.Task){
		"success":       func(t *task.Task) { b.accept(succeed(t)) },
		"failure":       func(t *task.Task) { b.accept(fail(t, task.CodePermanent)) },
		"retry":         func(t *task.Task) { b.accept(failIn(t, time.Hour)) },
		"retry at once": func(t *task.Task) { b.accept(failIn(t, 0)) },
		"stop":          func(t *task.Task) { b.accept(stopped(t)) },
		"release":       func(t *task.Task) { b.accept(release(t, 0)) },
		"long release":  func(t *task.Task) { b.accept(release(t, time.Hour)) },
		"lost lease":    func(t *task.Task) { b.lose(t) },
		"recount": func(t *task.Task) {
			b.renew("r", lease, task.HeldClaim{Fence: t.Fence, Held: 1, IDs: []string{"none"}, Left: time.Hour})
		},
		"claim of another queue": func(t *task.Task) {
			b.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "unrelated", N: 1}}})
		},
	}
	limits := map[string]task.Setting{
		"queue": {Scope: task.QueueScope, Name: "q"}, "group": {Scope: task.GroupScope, Name: "g"},
		"groups": {Scope: task.GroupsScope}, "pool": {Scope: task.PoolScope},
	}
	b.serve("w", "q", "p")
	for limit, s := range limits {
		s.Limit = ptr(1)
		b.configure(s)
		for path, free := range paths {
			why := path + " under a limit of the " + limit
			t := b.start(task.Spec{Queue: "q", Group: "g"})
			b.enqueue(task.Spec{Queue: "q", Group: "g"})
			b.sleep("w")
			free(t)
			if path == "retry" || path == "long release" { // which schedules a task
				b.wantWoken(why, "w")
			} else {
				b.wantSignals(why, "w q:q")
			}
			if n := len(b.claimAs(task.Exchange{Replica: "w"}, "q", 5)); n != 1 {
				b.Errorf("%s: %d started", why, n)
			}
			b.endAll("q")
		}
		s.Limit = ptr(0)
		b.configure(s)
	}
}

// wantWoken checks which replicas are woken for q, whatever else they are told.
func (b *bundle) wantWoken(why string, want ...string) {
	b.Helper()
	if d := cmp.Diff(want, b.woken("q")); d != "" {
		b.Errorf("%s: woken for q (-want +got):\n%s", why, d)
	}
}

func everyPathThatMakesWorkClaimable(b *bundle) {
	sleep := func() { b.sleep("w") }
	paths := map[string]func(){
		"enqueue": func() { sleep(); b.enqueue(task.Spec{Queue: "q"}) },
		"grouped": func() { sleep(); b.enqueue(task.Spec{Queue: "q", Group: "g"}) },
		"inbox":   func() { sleep(); b.Push(b, `{"kind":"k","queue":"q"}`); b.admit() },
		"due": func() {
			b.enqueue(task.Spec{Queue: "q", Delay: patient})
			sleep()
			b.passes(patient)
			b.maintain()
		},
		"due, in an exchange elsewhere": func() {
			b.enqueue(task.Spec{Queue: "q", Delay: patient})
			sleep()
			b.passes(patient)
			b.claim("other", 1)
		},
		"retry by a person": func() {
			id := b.enqueue(task.Spec{Queue: "q"})
			b.stop(id)
			sleep()
			b.retry(id)
		},
		"release": func() {
			t := b.start(task.Spec{Queue: "q"})
			sleep()
			b.accept(release(t, 0))
		},
		"resume": func() {
			b.pause(task.QueueScope, "q", true)
			b.enqueue(task.Spec{Queue: "q"})
			sleep()
			b.pause(task.QueueScope, "q", false)
		},
		"resume of the pool": func() {
			b.pause(task.PoolScope, "", true)
			b.enqueue(task.Spec{Queue: "q"})
			sleep()
			b.pause(task.PoolScope, "", false)
		},
	}
	b.serve("w", "p", "q")
	for path, f := range paths {
		f()
		b.wantSignals(path, "w q:q")
		if n := len(b.claimAs(task.Exchange{Replica: "w"}, "q", 5)); n != 1 {
			b.Errorf("%s: %d started", path, n)
		}
		b.endAll("q")
	}
}

func poolLimitFreedByAnotherQueue(b *bundle) {
	b.limit(task.PoolScope, "", 1)
	t := b.start(task.Spec{Queue: "p"})
	b.enqueue(task.Spec{ID: "next", Queue: "q"})
	b.serve("w", "q")
	b.sleep("w")
	b.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "p", N: 1}}})
	b.wantSignals("freed from p", "w q:q")
	b.wantIDs(b.claim("q", 1), "next")
}

// A batch of tasks wakes one replica. It takes as many as it has slots, and wakes
// the next.
func claimThatLeavesWork(b *bundle) {
	for i := range 3 {
		b.serve(fmt.Sprint("w", i), "q")
	}
	b.sleep(b.serving...)
	b.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	seen := map[string]bool{}
	for _, left := range []int{3, 1, 0} {
		w := b.woken("q")
		if len(w) != 1 || seen[w[0]] {
			b.Fatalf("woken are %v, before %v", w, seen)
		}
		seen[w[0]] = true
		got := b.send(task.Exchange{Replica: w[0], Claims: []task.Claim{{Queue: "q", N: 2}}})
		if len(tasks(got)) != min(left+1, 2) && left != 3 {
			b.Errorf("%s got %v", w[0], ids(tasks(got)))
		}
	}
	b.wantSignals("nothing is left")
}

func noSignalWithoutWork(b *bundle) {
	b.limit(task.QueueScope, "q", 1)
	b.limit(task.GroupScope, "g", 1)
	b.serve("w", "p", "q")
	b.start(task.Spec{Queue: "q"})
	b.start(task.Spec{Queue: "p", Group: "g"})
	b.pause(task.QueueScope, "paused", true)
	b.sleep("w")
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("the queue is at its limit")
	b.enqueue(task.Spec{Queue: "p", Group: "g"})
	for _, s := range b.woken("p") { // the claim finds out that the group is full
		b.sleep(s)
	}
	b.enqueue(task.Spec{Queue: "paused"})
	b.enqueue(task.Spec{Queue: "unserved"})
	b.maintain()
	b.wantSignals("no queue of the replica has claimable work")
	b.limit(task.PoolScope, "", 2)
	b.sleep("w")
	b.enqueue(task.Spec{Queue: "p"})
	b.wantSignals("the pool is at its limit")
}

func soonerScheduledTask(b *bundle) {
	b.serve("w", "q")
	b.sleep("w")
	b.enqueue(task.Spec{Queue: "q", Delay: time.Hour})
	b.wantSignals("first scheduled", "w due")
	b.sleep("w")
	b.enqueue(task.Spec{Queue: "q", Delay: 2 * time.Hour})
	b.wantSignals("a later one")
	b.enqueue(task.Spec{Queue: "q", Delay: time.Minute})
	b.wantSignals("a sooner one", "w due")
	t := b.start(task.Spec{Queue: "q"})
	b.sleep("w")
	b.accept(failIn(t, time.Second))
	b.wantSignals("a sooner retry", "w due")
	b.wantState(t.ID, task.Scheduled)
}

func oneReplicaIsWoken(b *bundle) {
	for i := range 4 {
		b.serve(fmt.Sprint("w", i), "p", "q")
	}
	b.sleep(b.serving...)
	b.passes(2 * time.Millisecond) // a replica that claims and is idle again is behind the others
	awake := map[string]bool{}
	for range 4 {
		b.enqueue(task.Spec{Queue: "q"})
		w := b.woken("q")
		if len(w) != 1 || awake[w[0]] {
			b.Fatalf("woken for one task are %v, before %v", w, awake)
		}
		awake[w[0]] = true
		if got := b.claimAs(task.Exchange{Replica: w[0]}, "q", 1); len(got) != 1 {
			b.Errorf("%s got %v", w[0], ids(got))
		}
	}
}

func everyClass(b *bundle) {
	b.serve("a", "q")
	b.serve("b", "p", "q")
	b.serve("c", "p")
	b.sleep("b", "c")
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("only b is idle and serves q", "b q:q")
	b.endAll("q")
	b.sleep("a", "b", "c")
	b.enqueue(task.Spec{Queue: "q"})
	if w := b.woken("q"); len(w) == 0 || slices.Contains(w, "c") {
		b.Errorf("woken are %v, want a, b or both", w)
	}
	b.endAll("q")
	b.sleep("a", "b", "c")
	b.enqueue(task.Spec{Queue: "p"})
	if w := b.woken("p"); len(w) == 0 || slices.Contains(w, "a") {
		b.Errorf("woken are %v, want b, c or both", w)
	}
}

func anyOfManyQueues(b *bundle) {
	const n = 1500
	queues := make([]string, n)
	for i := range queues {
		queues[i] = fmt.Sprint("q", i)
	}
	b.serve("v", queues...)
	b.serve("w", queues...)
	b.sleep("v", "w")
	for _, i := range []int{0, n - 1, 700, 64, 1023} {
		b.enqueue(task.Spec{Queue: queues[i]})
		w := b.woken(queues[i])
		if len(w) != 1 {
			b.Fatalf("woken for %s are %v", queues[i], w)
		}
		if got := b.claimAs(task.Exchange{Replica: w[0]}, queues[i], 1); len(got) != 1 {
			b.Errorf("%s got %v", w[0], ids(got))
		}
		b.sleep(w[0])
	}
}
