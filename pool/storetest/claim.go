package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

var claimRules = []rule{
	{"ClaimTakesAtMostWhatItAsksFor", claimTakesAtMostWhatItAsksFor},
	{"FenceGrowsAtEveryClaim", fenceGrowsAtEveryClaim},
	{"RepeatedClaimGetsTheSameTasks", repeatedClaimGetsTheSameTasks},
	{"RepeatedClaimLeavesOutWhatIsNoLongerHeld", repeatedClaimLeavesOut},
	{"RepeatedClaimOfNoneOnlyAsksAgain", repeatedClaimOfNoneOnlyAsksAgain},
	{"OvertakenClaimTakesNothing", overtakenClaimTakesNothing},
	{"ClaimNumbersAreOfOneReplicaAndQueue", claimNumbersAreOfOneReplicaAndQueue},
	{"ConcurrentClaimsShareNoTask", concurrentClaimsShareNoTask},
	{"ReportsComeBeforeClaimsInAnExchange", reportsComeBeforeClaims},
	{"ManySlotsAskInOneClaim", manySlotsAskInOneClaim},
	{"TimeLeftIsTheSmallerOfTimeoutAndDeadline", timeLeftIsTheSmaller},
	{"PolicyOfTheKindBoundsTheAttempt", policyOfTheKindBoundsTheAttempt},
	{"EmptyExchangeIsNothing", emptyExchangeIsNothing},
}

func claimTakesAtMostWhatItAsksFor(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a"}, worker.Spec{ID: "b"}, worker.Spec{ID: "c"}, worker.Spec{ID: "o", Queue: "other"})
	b.wantIDs(b.claim(worker.DefaultQueue, 0))
	b.wantIDs(b.claim("none", 3))
	b.wantIDs(b.claim(worker.DefaultQueue, 2), "a", "b")
	b.wantIDs(b.claim(worker.DefaultQueue, 2), "c")
	b.wantIDs(b.claim(worker.DefaultQueue, 2))
}

func fenceGrowsAtEveryClaim(b *bundle) {
	t := b.start(worker.Spec{ID: "x"})
	fence := int64(0)
	for want := int64(1); want < 8; want++ {
		if t.Attempt != want || t.Fence <= fence {
			b.Fatalf("attempt %d under fence %d after %d, want attempt %d under a higher one", t.Attempt, t.Fence, fence, want)
		}
		fence = t.Fence
		switch want % 4 {
		case 0:
			b.accept(release(t, 0))
		case 1:
			b.accept(failIn(t, 0))
		case 2:
			b.renew("r", time.Millisecond, held(t))
			b.passes(time.Millisecond)
			b.maintain()
		case 3:
			b.accept(fail(t, worker.CodePermanent))
			b.retry("x")
		}
		t = b.claim(worker.DefaultQueue, 1)[0]
	}
}

func repeatedClaimGetsTheSameTasks(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a", Payload: []byte("A"), Group: "g"}, worker.Spec{ID: "b"}, worker.Spec{ID: "c"})
	c := b.complete(worker.Claim{Queue: worker.DefaultQueue, N: 2})
	first := b.claimAs(c)
	for _, n := range []int{2, 0, 9} {
		c.N = n
		again := b.claimAs(c)
		b.wantIDs(again.Tasks, "a", "b")
		for i, t := range again.Tasks {
			f := first.Tasks[i]
			if t.Attempt != f.Attempt || string(t.Payload) != string(f.Payload) || t.Group != f.Group || t.State != worker.Running {
				b.Errorf("asked again: %+v, first: %+v", t, f)
			}
		}
	}
	b.wantState("c", worker.Waiting)
	if n := len(b.eventsOf("a")); n != 2 {
		b.Errorf("%d events of a task that was enqueued and claimed", n)
	}
}

func repeatedClaimLeavesOut(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "done"}, worker.Spec{ID: "held"}, worker.Spec{ID: "moved"})
	c := b.complete(worker.Claim{Queue: worker.DefaultQueue, N: 3})
	ts := b.claimAs(c).Tasks
	b.accept(succeed(ts[0]))
	b.accept(release(ts[2], 0))
	b.wantIDs(b.claimAs(worker.Claim{Replica: "other", Queue: worker.DefaultQueue, N: 1}).Tasks, "moved")
	b.wantIDs(b.claimAs(c).Tasks, "held")
}

func repeatedClaimOfNoneOnlyAsksAgain(b *bundle) {
	c := b.complete(worker.Claim{Queue: worker.DefaultQueue, N: 1})
	b.wantIDs(b.claimAs(c).Tasks)
	b.enqueue(worker.Spec{ID: "a"})
	c.N = 0
	b.wantIDs(b.claimAs(c).Tasks)
	c.N = 1
	b.wantIDs(b.claimAs(c).Tasks, "a")
}

// A call that the network delivers after its successor must not take tasks that
// nobody will learn of.
func overtakenClaimTakesNothing(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a"}, worker.Spec{ID: "b"}, worker.Spec{ID: "c"})
	old := b.complete(worker.Claim{Queue: worker.DefaultQueue, N: 1})
	b.wantIDs(b.claimAs(old).Tasks, "a")
	b.wantIDs(b.claim(worker.DefaultQueue, 1), "b")
	b.wantIDs(b.claimAs(old).Tasks)
	b.wantIDs(b.claim(worker.DefaultQueue, 1), "c")
}

func claimNumbersAreOfOneReplicaAndQueue(b *bundle) {
	b.enqueueAll(worker.Spec{ID: "a"}, worker.Spec{ID: "b"}, worker.Spec{ID: "c", Queue: "q"})
	b.wantIDs(b.claimAs(worker.Claim{Queue: worker.DefaultQueue, N: 1, Call: 7}).Tasks, "a")
	b.wantIDs(b.claimAs(worker.Claim{Replica: "s", Queue: worker.DefaultQueue, N: 1, Call: 7}).Tasks, "b")
	b.wantIDs(b.claimAs(worker.Claim{Queue: "q", N: 1, Call: 7}).Tasks, "c")
	b.wantIDs(b.claimAs(worker.Claim{Queue: worker.DefaultQueue, N: 1, Call: 7}).Tasks, "a")
}

func concurrentClaimsShareNoTask(b *bundle) {
	const n = 200
	specs := make([]worker.Spec, n)
	for i := range specs {
		specs[i].ID = fmt.Sprint("t", i)
	}
	b.enqueueAll(specs...)
	var mu sync.Mutex
	taken := map[string]string{}
	var wg sync.WaitGroup
	for i := range 8 {
		replica := fmt.Sprint("r", i)
		b.present(replica)
		wg.Go(func() {
			for call := int64(1); ; call++ {
				_, claimed, err := b.Store.Exchange(b.ctx, nil, []worker.Claim{{
					Replica: replica, Queue: worker.DefaultQueue, N: 3, Lease: lease, Grace: grace, Call: call,
				}})
				if err != nil {
					b.Error(err)
					return
				}
				if len(claimed[0].Tasks) == 0 {
					return
				}
				mu.Lock()
				for _, t := range claimed[0].Tasks {
					if taken[t.ID] != "" {
						b.Errorf("%s went to %s and %s", t.ID, taken[t.ID], replica)
					}
					taken[t.ID] = replica
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(taken) != n {
		b.Errorf("%d of %d tasks were claimed", len(taken), n)
	}
}

func reportsComeBeforeClaims(b *bundle) {
	b.limit(worker.QueueScope, "q", 2)
	b.limit(worker.GroupScope, "g", 1)
	b.enqueueAll(worker.Spec{ID: "a", Queue: "q"}, worker.Spec{ID: "b", Queue: "q", Group: "g"},
		worker.Spec{ID: "c", Queue: "q", Group: "g"}, worker.Spec{ID: "d", Queue: "q"})
	ts := b.claim("q", 4)
	b.wantIDs(ts, "a", "b")
	verdicts, claimed := b.exchange([]worker.Report{failIn(ts[0], time.Hour), succeed(ts[1])}, worker.Claim{Queue: "q", N: 4})
	if verdicts[0] != worker.Accepted || verdicts[1] != worker.Accepted {
		b.Errorf("verdicts %v", verdicts)
	}
	b.wantIDs(claimed[0].Tasks, "c", "d")
}

// However many slots are free, one call stays short; what it leaves behind has a
// marker.
func manySlotsAskInOneClaim(b *bundle) {
	n := 9000
	if b.Emulated {
		n = 2500
	}
	specs := make([]worker.Spec, n)
	b.enqueueAll(specs...)
	got := 0
	for got < n {
		ts := b.claim(worker.DefaultQueue, 100_000)
		if len(ts) == 0 {
			b.Fatalf("%d of %d tasks were claimed", got, n)
		}
		got += len(ts)
		if got < n && b.Markers(b, worker.DefaultQueue) != 1 {
			b.Fatalf("%d tasks are left without a marker", n-got)
		}
	}
}

func timeLeftIsTheSmaller(b *bundle) {
	near := func(got, want time.Duration) bool { return got <= want && got > want-10*time.Second }
	for _, c := range []struct {
		spec worker.Spec
		want time.Duration
	}{
		{worker.Spec{}, worker.DefaultTimeout},
		{worker.Spec{Timeout: time.Minute}, time.Minute},
		{worker.Spec{Timeout: time.Hour, Deadline: time.Minute}, time.Minute},
		{worker.Spec{Timeout: worker.Forever, Deadline: time.Minute}, time.Minute},
	} {
		if t := b.start(c.spec); !near(t.TimeLeft, c.want) {
			b.Errorf("%+v: time left %v", c.spec, t.TimeLeft)
		}
	}
	if t := b.start(worker.Spec{Timeout: worker.Forever}); t.TimeLeft != worker.Forever {
		b.Errorf("without a timeout: time left %v", t.TimeLeft)
	}
}

func policyOfTheKindBoundsTheAttempt(b *bundle) {
	b.join(worker.Registration{Replica: "r", Kinds: map[string]worker.Policy{
		"short": {Timeout: time.Second}, "endless": {Timeout: worker.Forever}, "plain": {},
	}})
	if t := b.start(worker.Spec{Kind: "short"}); t.TimeLeft > time.Second {
		b.Errorf("time left %v", t.TimeLeft)
	}
	if t := b.start(worker.Spec{Kind: "endless"}); t.TimeLeft != worker.Forever {
		b.Errorf("time left %v", t.TimeLeft)
	}
	if t := b.start(worker.Spec{Kind: "plain"}); t.TimeLeft > worker.DefaultTimeout || t.TimeLeft < worker.DefaultTimeout-time.Minute {
		b.Errorf("time left %v", t.TimeLeft)
	}
	if t := b.start(worker.Spec{Kind: "short", Timeout: time.Hour}); t.TimeLeft < time.Minute {
		b.Errorf("the task's own timeout gave way: %v", t.TimeLeft)
	}
}

func emptyExchangeIsNothing(b *bundle) {
	if v, c := b.exchange(nil); len(v) != 0 || len(c) != 0 {
		b.Errorf("verdicts %v, answers %v", v, c)
	}
}
