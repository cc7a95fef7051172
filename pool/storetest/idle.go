package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of ready queues in the answer to a replica with free slots, and of wake-ups
// that it does not use.
var idleRules = []rule{
	{"ReadyQueuesAreReturnedToAnIdleReplica", readyQueuesAreReturned},
	{"ReadyQueuesAreReturnedInTurn", readyQueuesInTurn},
	{"ReadyQueuesBehindManyBusyOnesAreReturned", readyQueuesBehindBusyOnes},
	{"ShortClaimLetsAReplicaBeWoken", shortClaimRegisters},
	{"ReplicaThatIsNotIdleIsNotWoken", notIdleIsNotWoken},
	{"DrainingReplicaIsNotWoken", drainingIsNotWoken},
	{"RepeatedIdleCallIsWokenOnce", repeatedIdleCall},
	{"BusyQueueIsPassedOnToAnotherReplica", busyQueueIsPassedOn},
	{"BusyQueueIsNotPassedOnForEver", busyQueueIsNotPassedOnForEver},
	{"LeavingReplicaPassesItsWakeUpOn", leavingPassesOn},
	{"SilentReplicaPassesItsWakeUpOn", silentPassesOn},
	{"LeavingReplicaPassesTheScheduleOn", leavingPassesTheScheduleOn},
}

func readyQueuesAreReturned(b *bundle) {
	b.serve("w", "p", "q", "r")
	b.enqueueAll(task.Spec{Queue: "p"}, task.Spec{Queue: "q"}, task.Spec{Queue: "unserved"})
	got := b.send(task.Exchange{Replica: "w", Idle: true}).Ready
	slices.Sort(got)
	if !slices.Equal(got, []string{"p", "q"}) {
		b.Errorf("ready are %v", got)
	}
	got = b.send(task.Exchange{Replica: "w", Claims: []task.Claim{{Queue: "r", N: 1}, {Queue: "p", N: 1}}}).Ready
	if !slices.Equal(got, []string{"q"}) {
		b.Errorf("with a short claim, ready are %v", got)
	}
	got = b.send(task.Exchange{Replica: "w", Idle: true, Busy: []string{"q"}}).Ready
	if len(got) != 0 {
		b.Errorf("but for the busy one, ready are %v", got)
	}
}

// startReady starts a task of each queue that is returned as ready, and no
// second one. It returns how many calls that took.
func (b *bundle) startReady(n int) (calls int) {
	b.Helper()
	seen := map[string]bool{}
	var order []string
	x := task.Exchange{Replica: "w", Idle: true}
	for len(seen) < n {
		if calls++; calls > n {
			b.Fatalf("after %d calls %d of %d queues were returned as ready", calls, len(seen), n)
		}
		got := b.send(x)
		if len(got.Ready) > task.MaxQueues {
			b.Errorf("%d ready queues in one answer", len(got.Ready))
		}
		for _, t := range tasks(got) {
			if seen[t.Queue] {
				b.Errorf("second task of %s", t.Queue)
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

// backlog lets w serve n queues with so many tasks each.
func (b *bundle) backlog(n, each int) {
	b.Helper()
	queues := make([]string, n)
	var specs []task.Spec
	for i := range queues {
		queues[i] = fmt.Sprint("q", i)
		for range each {
			specs = append(specs, task.Spec{Queue: queues[i]})
		}
	}
	b.serve("w", queues...)
	b.enqueueAll(specs...)
}

func readyQueuesInTurn(b *bundle) {
	const n = 300
	b.backlog(n, 1)
	if calls := b.startReady(n); calls > 2*n/task.MaxQueues+2 {
		b.Errorf("%d calls for %d queues", calls, n)
	}
}

func readyQueuesBehindBusyOnes(b *bundle) {
	const n = 450 // more than one exchange can name as busy or return as ready
	b.backlog(n, 2)
	b.startReady(n)
}

func shortClaimRegisters(b *bundle) {
	b.serve("w", "p", "q")
	b.enqueue(task.Spec{Queue: "q"})
	got := b.send(task.Exchange{Replica: "w", Claims: []task.Claim{{Queue: "q", N: 2}}})
	if !got.Short[0] || len(tasks(got)) != 1 || len(got.Ready) != 0 {
		b.Fatalf("answer %+v", got)
	}
	b.enqueue(task.Spec{Queue: "p"})
	b.wantSignals("a queue that it did not ask", "w q:p")
}

func notIdleIsNotWoken(b *bundle) {
	b.serve("w", "q")
	b.send(task.Exchange{Replica: "w"})
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("it has no free slots")
	b.claim("q", 1)
	b.sleep("w")
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("idle", "w q:q")
	for range 3 {
		b.enqueue(task.Spec{Queue: "q"})
	}
	b.wantSignals("woken already")
}

func drainingIsNotWoken(b *bundle) {
	b.serve("w", "q")
	b.sleep("w")
	got := b.send(task.Exchange{Replica: "w", Draining: true, Idle: true, Claims: []task.Claim{{Queue: "q", N: 1}}})
	if len(got.Ready) != 0 {
		b.Errorf("ready %v", got.Ready)
	}
	b.Signals(b, "w")
	b.serve("v", "q")
	b.sleep("v")
	b.enqueue(task.Spec{Queue: "q"})
	if w := b.woken("q"); !slices.Contains(w, "v") {
		b.Errorf("woken are %v, want v", w)
	}
	b.send(task.Exchange{Replica: "w", Draining: true, Idle: true})
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("draining")
}

func repeatedIdleCall(b *bundle) {
	b.serve("w", "q")
	x := b.complete(task.Exchange{Replica: "w", Idle: true})
	for range 3 {
		b.send(x)
	}
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("registered by a repeated call", "w q:q")
	b.enqueue(task.Spec{Queue: "q"})
	b.wantSignals("woken already")
}

func busyQueueIsPassedOn(b *bundle) {
	b.serve("v", "p", "q")
	b.serve("w", "p", "q")
	b.sleep("v", "w")
	b.enqueue(task.Spec{Queue: "q"})
	first := b.woken("q")
	if len(first) != 1 {
		b.Fatalf("woken are %v", first)
	}
	got := b.send(task.Exchange{Replica: first[0], Idle: true, Busy: []string{"q"}})
	if len(got.Ready) != 0 {
		b.Errorf("ready are %v", got.Ready)
	}
	second := b.woken("q")
	if len(second) != 1 || second[0] == first[0] {
		b.Fatalf("woken are %v, before %v", second, first)
	}
	if ts := b.claimAs(task.Exchange{Replica: second[0]}, "q", 1); len(ts) != 1 {
		b.Errorf("claimed %v", ids(ts))
	}
}

// Two replicas without a slot for the queue must not wake each other as long as
// its task waits. A third that has one is woken, or gets the queue in its next answer.
func busyQueueIsNotPassedOnForEver(b *bundle) {
	b.serve("v", "p", "q")
	b.serve("w", "p", "q")
	b.sleep("v", "w")
	b.enqueue(task.Spec{Queue: "q"})
	woken := 0
	for round := 0; ; round++ {
		w := b.woken("q")
		if woken += len(w); len(w) == 0 {
			break
		}
		if round > 10 {
			b.Fatalf("%d wake-ups for one task", woken)
		}
		b.passes(time.Millisecond)
		for _, r := range w {
			b.send(task.Exchange{Replica: r, Idle: true, Busy: []string{"q"}})
		}
	}
	b.serve("u", "p", "q")
	if got := b.send(task.Exchange{Replica: "u", Idle: true}); !slices.Equal(got.Ready, []string{"q"}) {
		b.Errorf("ready are %v", got.Ready)
	}
	b.enqueue(task.Spec{Queue: "p"})
	if w := b.woken("p"); len(w) != 1 {
		b.Errorf("woken for another queue are %v", w)
	}
}

func leavingPassesOn(b *bundle) {
	b.serve("v", "q")
	b.serve("w", "q")
	b.sleep("v", "w")
	b.enqueue(task.Spec{Queue: "q"})
	first := b.woken("q")
	if len(first) != 1 {
		b.Fatalf("woken are %v", first)
	}
	b.ok(b.Store.Leave(b.ctx, first[0]))
	if second := b.woken("q"); len(second) != 1 || second[0] == first[0] {
		b.Errorf("woken are %v, before %v", second, first)
	}
}

func silentPassesOn(b *bundle) {
	b.serve("w", "q")
	b.join(task.Registration{Replica: "dies", Lease: patient, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
	b.serving = append(b.serving, "dies")
	b.sleep("dies", "w")
	for round := 0; ; round++ {
		b.enqueue(task.Spec{Queue: "q"})
		woken := b.woken("q")
		if slices.Equal(woken, []string{"dies"}) {
			break
		}
		if round == 5 || len(woken) != 1 {
			b.Fatalf("woken are %v, want the replica that has been idle for longest", woken)
		}
		b.claimAs(task.Exchange{Replica: "w"}, "q", 1)
		b.sleep("w")
	}
	b.passes(patient)
	b.maintain()
	if second := b.woken("q"); !slices.Equal(second, []string{"w"}) {
		b.Errorf("woken are %v, want w in the place of the replica that died", second)
	}
}

func leavingPassesTheScheduleOn(b *bundle) {
	b.serve("v", "q")
	b.serve("w", "q")
	b.sleep("v")
	b.enqueue(task.Spec{Queue: "q", Delay: time.Hour})
	b.wantSignals("first scheduled", "v due")
	b.sleep("w", "v")
	b.enqueue(task.Spec{Queue: "q", Delay: time.Minute})
	var first string
	for _, r := range []string{"v", "w"} {
		if slices.Contains(b.Signals(b, r), "due") {
			first = r
		}
	}
	if first == "" {
		b.Fatal("no replica is woken for a sooner task")
	}
	b.ok(b.Store.Leave(b.ctx, first))
	other := map[string]string{"v": "w", "w": "v"}[first]
	if s := b.Signals(b, other); !slices.Contains(s, "due") {
		b.Errorf("the signals of %s are %v", other, s)
	}
}
