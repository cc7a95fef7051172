package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var claimRules = []rule{
	{"ClaimTakesAtMostWhatItAsksFor", claimTakesAtMostWhatItAsksFor},
	{"FenceGrowsAtEveryClaim", fenceGrowsAtEveryClaim},
	{"ConcurrentClaimsShareNoTask", concurrentClaimsShareNoTask},
	{"ReportsComeBeforeClaimsInAnExchange", reportsComeBeforeClaims},
	{"SeveralQueuesInOneExchange", severalQueues},
	{"ShortClaimIsOfAQueueWithNothingLeft", shortClaim},
	{"LargeBacklogIsClaimedInBoundedCalls", largeBacklog},
	{"TimeLeftIsTheSmallerOfTimeoutAndDeadline", timeLeftIsTheSmaller},
	{"PolicyOfTheKindBoundsTheAttempt", policyOfTheKindBoundsTheAttempt},
	{"EmptyExchangeChangesNothing", emptyExchange},
}

func claimTakesAtMostWhatItAsksFor(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"}, task.Spec{ID: "o", Queue: "other"})
	for _, n := range []int{0, 2, 2, 2} {
		fx.send(task.Exchange{Claims: []task.Claim{{Queue: "none", N: 3}}})
		got := tasks(fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: n}}}))
		if len(got) > n {
			fx.Errorf("%d tasks for %d slots", len(got), n)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		fx.wantState(id, task.Running)
	}
	fx.wantState("o", task.Waiting)
}

func fenceGrowsAtEveryClaim(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fence := int64(0)
	for want := int64(1); want < 8; want++ {
		if t.Attempt != want || t.Fence <= fence {
			fx.Fatalf("attempt %d under fence %d after %d, want attempt %d under a higher one", t.Attempt, t.Fence, fence, want)
		}
		fence = t.Fence
		switch want % 4 {
		case 0:
			fx.accept(release(t, 0))
		case 1:
			fx.accept(failIn(t, 0))
		case 2:
			fx.loseLeases(t)
		case 3:
			fx.accept(fail(t, task.CodePermanent))
			fx.retry("x")
		}
		t = fx.claim(task.DefaultQueue, 1)[0]
	}
}

func concurrentClaimsShareNoTask(fx *fixture) {
	const n = 200
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i].ID = fmt.Sprint("t", i)
	}
	fx.enqueueAll(specs...)
	var mu sync.Mutex
	taken, fences := map[string]string{}, map[int64]string{}
	var wg sync.WaitGroup
	for i := range 8 {
		replica := fmt.Sprint("r", i/2)
		fx.ensureJoined(replica)
		wg.Go(func() {
			for call := int64(1); ; call++ {
				got, err := fx.Store.Exchange(fx.ctx, task.Exchange{Replica: replica, Sequence: 1 + i%2, Call: call, Lease: lease, Grace: grace,
					Claims: []task.Claim{{Queue: task.DefaultQueue, N: 3}}})
				if err != nil {
					fx.Error(err)
					return
				}
				mu.Lock()
				for _, c := range got.Claimed {
					if fences[c.Fence] != "" {
						fx.Errorf("fence %d was given out twice", c.Fence)
					}
					fences[c.Fence] = replica
					for _, t := range c.Tasks {
						if taken[t.ID] != "" {
							fx.Errorf("%s went to %s and %s", t.ID, taken[t.ID], replica)
						}
						taken[t.ID] = replica
					}
				}
				mu.Unlock()
				if len(got.Claimed) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	if len(taken) != n {
		fx.Errorf("%d of %d tasks were claimed", len(taken), n)
	}
}

func reportsComeBeforeClaims(fx *fixture) {
	fx.limit(task.QueueScope, "q", 2)
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "a", Queue: "q"}, task.Spec{ID: "b", Queue: "q", Group: "g"},
		task.Spec{ID: "c", Queue: "q", Group: "g"}, task.Spec{ID: "d", Queue: "q"})
	ts := fx.claim("q", 4)
	fx.wantIDs(ts, "a", "b")
	got := fx.send(task.Exchange{Reports: []task.Report{failIn(ts[0], time.Hour), succeed(ts[1])}, Claims: []task.Claim{{Queue: "q", N: 4}}})
	if got.Verdicts[0] != task.Accepted || got.Verdicts[1] != task.Accepted {
		fx.Errorf("verdicts %v", got.Verdicts)
	}
	fx.wantIDs(tasks(got), "c", "d")
}

func severalQueues(fx *fixture) {
	claims := make([]task.Claim, task.MaxQueues)
	var want []string
	for i := range claims {
		queue := fmt.Sprint("q", i)
		claims[i] = task.Claim{Queue: queue, N: task.MaxClaim / task.MaxQueues}
		for j := range i % 6 {
			fx.enqueue(task.Spec{ID: fmt.Sprint(queue, "-", j), Queue: queue})
			if j < claims[i].N {
				want = append(want, fmt.Sprint(queue, "-", j))
			}
		}
	}
	got := fx.send(task.Exchange{Claims: claims})
	have := ids(tasks(got))
	slices.Sort(have)
	slices.Sort(want)
	if d := cmp.Diff(want, have); d != "" {
		fx.Error("claimed (-want +got):\n", d)
	}
	for i, short := range got.Short {
		if n := i % 6; n > claims[i].N && short || n < claims[i].N && !short {
			fx.Errorf("%s had %d tasks and was asked for %d: short is %v", claims[i].Queue, n, claims[i].N, short)
		}
	}
	fences := map[int64]bool{}
	for _, c := range got.Claimed {
		if fences[c.Fence] {
			fx.Errorf("fence %d is that of two claims", c.Fence)
		}
		fences[c.Fence] = true
	}
}

func shortClaim(fx *fixture) {
	short := func(why string, want bool, claims ...task.Claim) {
		fx.Helper()
		for i, s := range fx.send(task.Exchange{Claims: claims}).Short {
			if s != want {
				fx.Errorf("%s: short is %v for %s", why, s, claims[i].Queue)
			}
		}
	}
	fx.limit(task.QueueScope, "limited", 1)
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "limited"}, task.Spec{Queue: "limited"},
		task.Spec{Queue: "grouped", Group: "g"}, task.Spec{Queue: "grouped", Group: "g"}, task.Spec{Queue: "paused"})
	fx.pause(task.QueueScope, "paused", true)
	short("tasks are left", false, task.Claim{Queue: "q", N: 2})
	short("nothing is left", true, task.Claim{Queue: "q", N: 2}, task.Claim{Queue: "empty", N: 1})
	short("the limit is reached", true, task.Claim{Queue: "limited", N: 2})
	short("the group is full", true, task.Claim{Queue: "grouped", N: 2})
	short("the queue is paused", true, task.Claim{Queue: "paused", N: 1})
}

func largeBacklog(fx *fixture) {
	n := 5000
	if fx.Emulated {
		n = 1500
	}
	fx.enqueueAll(make([]task.Spec, n)...)
	got := 0
	for got < n {
		answer := fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: task.MaxClaim}}})
		got += len(tasks(answer))
		if len(tasks(answer)) == 0 || answer.Short[0] && got < n {
			fx.Fatalf("%d of %d tasks were claimed, short is %v", got, n, answer.Short[0])
		}
	}
}

func timeLeftIsTheSmaller(fx *fixture) {
	for _, c := range []struct {
		spec task.Spec
		want time.Duration
	}{
		{task.Spec{}, task.DefaultTimeout},
		{task.Spec{Timeout: time.Minute}, time.Minute},
		{task.Spec{Timeout: time.Hour, Deadline: time.Minute}, time.Minute},
		{task.Spec{Timeout: task.Forever, Deadline: time.Minute}, time.Minute},
	} {
		if _, left := fx.startBounded(c.spec); left > c.want || left < c.want-10*time.Second {
			fx.Errorf("%+v: time left %v", c.spec, left)
		}
	}
	if _, left := fx.startBounded(task.Spec{Timeout: task.Forever}); left != task.Forever {
		fx.Errorf("without a timeout: time left %v", left)
	}
}

func policyOfTheKindBoundsTheAttempt(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{
		"short": {Timeout: time.Second}, "endless": {Timeout: task.Forever}, "plain": {},
	}})
	if _, left := fx.startBounded(task.Spec{Kind: "short"}); left > time.Second {
		fx.Errorf("time left %v", left)
	}
	if _, left := fx.startBounded(task.Spec{Kind: "endless"}); left != task.Forever {
		fx.Errorf("time left %v", left)
	}
	if _, left := fx.startBounded(task.Spec{Kind: "plain"}); left > task.DefaultTimeout || left < task.DefaultTimeout-time.Minute {
		fx.Errorf("time left %v", left)
	}
	if _, left := fx.startBounded(task.Spec{Kind: "short", Timeout: time.Hour}); left < time.Minute {
		fx.Errorf("the policy of the kind replaced the task's own timeout: %v", left)
	}
}

func emptyExchange(fx *fixture) {
	if got := fx.send(task.Exchange{}); len(got.Claimed) != 0 || len(got.Ready) != 0 || len(got.Stops) != 0 || got.Drain || got.Next != 0 {
		fx.Errorf("answer %+v", got)
	}
	if n := len(fx.events()); n != 0 {
		fx.Errorf("%d events", n)
	}
}
