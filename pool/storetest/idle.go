package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The rules about ready queues in the answer to a replica with free slots, and about
// signals that the replica does not use.
var idleRules = []rule{
	{"ReadyQueuesAreReturnedToAnIdleReplica", readyQueuesAreReturned},
	{"ReadyQueuesAreReturnedInTurn", readyQueuesInTurn},
	{"ReadyQueuesBehindManyBusyOnesAreReturned", readyQueuesBehindBusyOnes},
	{"ReplicaWithAShortClaimIsSignalled", shortClaimRegisters},
	{"ReplicaThatIsNotIdleIsNotSignalled", notIdleIsNotSignalled},
	{"DrainingReplicaIsNotSignalled", drainingIsNotSignalled},
	{"RepeatedIdleCallIsSignalledOnce", repeatedIdleCall},
	{"BusyQueueSignalsAnotherReplica", busyQueueSignalsAnother},
	{"BusyQueueIsNotSignalledForever", busyQueueSignalsEnd},
	{"SignalOfALeavingReplicaGoesToAnother", signalOfALeavingReplica},
	{"SignalOfASilentReplicaGoesToAnother", signalOfASilentReplica},
	{"ScheduleOfALeavingReplicaGoesToAnother", scheduleOfALeavingReplica},
}

func readyQueuesAreReturned(fx *fixture) {
	fx.serve("w", "p", "q", "r")
	fx.enqueueAll(task.Spec{Queue: "p"}, task.Spec{Queue: "q"}, task.Spec{Queue: "unserved"})
	got := fx.send(task.Exchange{Replica: "w", Idle: true}).Ready
	slices.Sort(got)
	if !slices.Equal(got, []string{"p", "q"}) {
		fx.Errorf("ready are %v", got)
	}
	got = fx.send(task.Exchange{Replica: "w", Claims: []task.Claim{{Queue: "r", N: 1}, {Queue: "p", N: 1}}}).Ready
	if !slices.Equal(got, []string{"q"}) {
		fx.Errorf("with a short claim, ready are %v", got)
	}
	got = fx.send(task.Exchange{Replica: "w", Idle: true, Busy: []string{"q"}}).Ready
	if len(got) != 0 {
		fx.Errorf("without the busy queue, ready are %v", got)
	}
}

// startReady starts one task of each queue that is returned as ready. It returns the
// number of calls that it took.
func (fx *fixture) startReady(n int) (calls int) {
	fx.Helper()
	seen := map[string]bool{}
	var order []string
	x := task.Exchange{Replica: "w", Idle: true}
	for len(seen) < n {
		if calls++; calls > n {
			fx.Fatalf("after %d calls %d of %d queues were returned as ready", calls, len(seen), n)
		}
		got := fx.send(x)
		if len(got.Ready) > task.MaxQueues {
			fx.Errorf("%d ready queues in one answer", len(got.Ready))
		}
		for _, t := range tasks(got) {
			if seen[t.Queue] {
				fx.Errorf("second task of %s", t.Queue)
			}
			seen[t.Queue] = true
			order = append(order, t.Queue)
		}
		x = task.Exchange{Replica: "w", Idle: true, Busy: order[max(0, len(order)-4*task.MaxQueues):]}
		for _, q := range got.Ready {
			if !seen[q] {
				x.Claims = append(x.Claims, task.Claim{Queue: q, N: 1})
			}
		}
	}
	return calls
}

// backlog makes w serve n queues with each tasks in each.
func (fx *fixture) backlog(n, each int) {
	fx.Helper()
	queues := make([]string, n)
	var specs []task.Spec
	for i := range queues {
		queues[i] = fmt.Sprint("q", i)
		for range each {
			specs = append(specs, task.Spec{Queue: queues[i]})
		}
	}
	fx.serve("w", queues...)
	fx.enqueueAll(specs...)
}

func readyQueuesInTurn(fx *fixture) {
	const n = 300
	fx.backlog(n, 1)
	if calls := fx.startReady(n); calls > 2*n/task.MaxQueues+2 {
		fx.Errorf("%d calls for %d queues", calls, n)
	}
}

func readyQueuesBehindBusyOnes(fx *fixture) {
	const n = 450 // more than one exchange can list as busy or ready
	fx.backlog(n, 2)
	fx.startReady(n)
}

func shortClaimRegisters(fx *fixture) {
	fx.serve("w", "p", "q")
	fx.enqueue(task.Spec{Queue: "q"})
	got := fx.send(task.Exchange{Replica: "w", Claims: []task.Claim{{Queue: "q", N: 2}}})
	if !got.Short[0] || len(tasks(got)) != 1 || len(got.Ready) != 0 {
		fx.Fatalf("answer %+v", got)
	}
	fx.enqueue(task.Spec{Queue: "p"})
	fx.wantSignals("a queue that it did not claim from", "w q:p")
}

func notIdleIsNotSignalled(fx *fixture) {
	fx.serve("w", "q")
	fx.send(task.Exchange{Replica: "w"})
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("it has no free slots")
	fx.claim("q", 1)
	fx.becomeIdle("w")
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("idle", "w q:q")
	for range 3 {
		fx.enqueue(task.Spec{Queue: "q"})
	}
	fx.wantSignals("woken already")
}

func drainingIsNotSignalled(fx *fixture) {
	fx.serve("w", "q")
	fx.becomeIdle("w")
	got := fx.send(task.Exchange{Replica: "w", Closed: true, Idle: true, Claims: []task.Claim{{Queue: "q", N: 1}}})
	if len(got.Ready) != 0 {
		fx.Errorf("ready %v", got.Ready)
	}
	fx.Signals(fx, "w")
	fx.serve("v", "q")
	fx.becomeIdle("v")
	fx.enqueue(task.Spec{Queue: "q"})
	if w := fx.signalledFor("q"); !slices.Contains(w, "v") {
		fx.Errorf("signalled are %v, want v", w)
	}
	fx.send(task.Exchange{Replica: "w", Closed: true, Idle: true})
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("draining")
}

func repeatedIdleCall(fx *fixture) {
	fx.serve("w", "q")
	x := fx.complete(task.Exchange{Replica: "w", Idle: true})
	for range 3 {
		fx.send(x)
	}
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("registered by a repeated call", "w q:q")
	fx.enqueue(task.Spec{Queue: "q"})
	fx.wantSignals("woken already")
}

func busyQueueSignalsAnother(fx *fixture) {
	fx.serve("v", "p", "q")
	fx.serve("w", "p", "q")
	fx.becomeIdle("v", "w")
	fx.enqueue(task.Spec{Queue: "q"})
	first := fx.signalledFor("q")
	if len(first) != 1 {
		fx.Fatalf("signalled are %v", first)
	}
	got := fx.send(task.Exchange{Replica: first[0], Idle: true, Busy: []string{"q"}})
	if len(got.Ready) != 0 {
		fx.Errorf("ready are %v", got.Ready)
	}
	second := fx.signalledFor("q")
	if len(second) != 1 || second[0] == first[0] {
		fx.Fatalf("signalled are %v, before %v", second, first)
	}
	if ts := fx.claimAs(task.Exchange{Replica: second[0]}, "q", 1); len(ts) != 1 {
		fx.Errorf("claimed %v", ids(ts))
	}
}

// Two replicas without a free slot for the queue must not signal each other while its
// task waits. A third one with a free slot is signalled, or gets the queue in its next
// answer.
func busyQueueSignalsEnd(fx *fixture) {
	fx.serve("v", "p", "q")
	fx.serve("w", "p", "q")
	fx.becomeIdle("v", "w")
	fx.enqueue(task.Spec{Queue: "q"})
	woken := 0
	for round := 0; ; round++ {
		w := fx.signalledFor("q")
		if woken += len(w); len(w) == 0 {
			break
		}
		if round > 10 {
			fx.Fatalf("%d signals for one task", woken)
		}
		fx.waitPast(time.Millisecond)
		for _, r := range w {
			fx.send(task.Exchange{Replica: r, Idle: true, Busy: []string{"q"}})
		}
	}
	fx.serve("u", "p", "q")
	if got := fx.send(task.Exchange{Replica: "u", Idle: true}); !slices.Equal(got.Ready, []string{"q"}) {
		fx.Errorf("ready are %v", got.Ready)
	}
	fx.enqueue(task.Spec{Queue: "p"})
	if w := fx.signalledFor("p"); len(w) != 1 {
		fx.Errorf("signalled for another queue are %v", w)
	}
}

func signalOfALeavingReplica(fx *fixture) {
	fx.serve("v", "q")
	fx.serve("w", "q")
	fx.becomeIdle("v", "w")
	fx.enqueue(task.Spec{Queue: "q"})
	first := fx.signalledFor("q")
	if len(first) != 1 {
		fx.Fatalf("signalled are %v", first)
	}
	fx.noError(fx.Store.Leave(fx.ctx, first[0]))
	if second := fx.signalledFor("q"); len(second) != 1 || second[0] == first[0] {
		fx.Errorf("signalled are %v, before %v", second, first)
	}
}

func signalOfASilentReplica(fx *fixture) {
	fx.serve("w", "q")
	fx.join(task.Registration{Replica: "dies", Lease: shortLease, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
	fx.serving = append(fx.serving, "dies")
	fx.becomeIdle("dies", "w")
	for round := 0; ; round++ {
		fx.enqueue(task.Spec{Queue: "q"})
		woken := fx.signalledFor("q")
		if slices.Equal(woken, []string{"dies"}) {
			break
		}
		if round == 5 || len(woken) != 1 {
			fx.Fatalf("signalled are %v, want the replica that has been idle for the longest time", woken)
		}
		fx.claimAs(task.Exchange{Replica: "w"}, "q", 1)
		fx.becomeIdle("w")
	}
	fx.waitPast(shortLease)
	fx.maintain()
	if second := fx.signalledFor("q"); !slices.Equal(second, []string{"w"}) {
		fx.Errorf("signalled are %v, want w instead of the replica that died", second)
	}
}

func scheduleOfALeavingReplica(fx *fixture) {
	fx.serve("v", "q")
	fx.serve("w", "q")
	fx.becomeIdle("v")
	fx.enqueue(task.Spec{Queue: "q", Delay: time.Hour})
	fx.wantSignals("first scheduled", "v due")
	fx.becomeIdle("w", "v")
	fx.enqueue(task.Spec{Queue: "q", Delay: time.Minute})
	var first string
	for _, r := range []string{"v", "w"} {
		if slices.Contains(fx.Signals(fx, r), "due") {
			first = r
		}
	}
	if first == "" {
		fx.Fatal("no replica is signalled for an earlier task")
	}
	fx.noError(fx.Store.Leave(fx.ctx, first))
	other := map[string]string{"v": "w", "w": "v"}[first]
	if s := fx.Signals(fx, other); !slices.Contains(s, "due") {
		fx.Errorf("the signals of %s are %v", other, s)
	}
}
