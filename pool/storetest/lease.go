package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var leaseRules = []rule{
	{"RenewedLeaseIsKept", renewedLeaseIsKept},
	{"EndedLeaseGivesTheTaskBack", endedLeaseGivesTheTaskBack},
	{"TooManyLossesFailTheTask", tooManyLossesFailTheTask},
	{"LossUsesNoAttempt", lossUsesNoAttempt},
	{"TenReapersHaveOneEffect", tenReapersHaveOneEffect},
	{"RenewalNeverReachesPastTheAttemptsBound", renewalNeverReachesPastTheBound},
	{"EndedLeaseAfterTheTimeoutIsATimeout", endedLeaseAfterTheTimeout},
	{"EndedLeaseOfAStoppedTaskIsItsEnd", endedLeaseOfAStoppedTask},
	{"ProgressIsCarriedByTheRenewal", progressIsCarried},
	{"SlowIsAnEventAndNoChangeOfState", slowIsAnEvent},
	{"MaintenanceIsOneReplicasAtATime", maintenanceIsOneReplicasAtATime},
	{"MaintenanceReturnsWhenTheNextLeaseEnds", maintenanceReturnsWhen},
}

func renewedLeaseIsKept(b *bundle) {
	b.enqueue(task.Spec{ID: "x"})
	t := b.claimAs(task.Exchange{Lease: patient}, task.DefaultQueue, 1)[0]
	for range 4 {
		if v := b.renew("r", 3*patient, held(t)...); v[0] != task.Kept {
			b.Fatalf("verdict %s", v[0])
		}
		b.passes(patient / 3)
		b.maintain()
	}
	b.wantState("x", task.Running)
	b.accept(succeed(t))
}

func endedLeaseGivesTheTaskBack(b *bundle) {
	t := b.start(task.Spec{ID: "x", Group: "g"})
	if u := b.lose(t); u.Lost != 1 || u.Claims != 1 {
		b.Errorf("maintenance %+v, want one lost attempt of one claim", u)
	}
	got := b.wantEnd("x", task.Waiting, task.CodeLost)
	if got.Lost != 1 || got.Failures != 0 {
		b.Errorf("lost %d, failures %d", got.Lost, got.Failures)
	}
	if h := b.history("x"); len(h) != 1 || h[0].Code != task.CodeLost || h[0].Replica != "r" {
		b.Errorf("history %+v", h)
	}
	if s := b.stats(); s.LeasesLost != 1 || s.Running != 0 {
		b.Errorf("stats: %d lost, %d running", s.LeasesLost, s.Running)
	}
}

func tooManyLossesFailTheTask(b *bundle) {
	const pause = 200 * time.Millisecond // longer than a turn of maintenance
	b.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{"k": {}, "fragile": {MaxLost: 1}}})
	for kind, most := range map[string]int{"k": task.DefaultMaxLost, "fragile": 1} {
		id := "x-" + kind
		t := b.start(task.Spec{ID: id, Kind: kind, Backoff: task.Backoff{Fixed: true, Base: pause}})
		for i := range most {
			b.lose(t)
			// From the second loss on it waits for its backoff, apart from the tasks lost with it.
			state := task.Waiting
			if i > 0 {
				state = task.Scheduled
			}
			if got := b.wantState(id, state); got.Lost != i+1 {
				b.Errorf("lost %d, want %d", got.Lost, i+1)
			}
			b.passes(pause)
			t = b.claim(task.DefaultQueue, 1)[0]
		}
		b.lose(t)
		b.wantEnd(id, task.Failed, task.CodeLost)
		b.verdict(succeed(t), task.LeaseLost)
	}
}

func lossUsesNoAttempt(b *bundle) {
	t := b.start(task.Spec{ID: "x", MaxAttempts: 1})
	b.lose(t)
	t = b.claim(task.DefaultQueue, 1)[0]
	b.accept(succeed(t))
}

func tenReapersHaveOneEffect(b *bundle) {
	const n = 40
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Group: fmt.Sprint("g", i%3)}
	}
	b.enqueueAll(specs...)
	if got := b.claimAs(task.Exchange{Lease: time.Millisecond}, task.DefaultQueue, n); len(got) != n {
		b.Fatalf("%d claimed", len(got))
	}
	b.passes(time.Millisecond)
	var mu sync.Mutex
	lost := 0
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			// The same replica name: the maintenance lock admits all of them.
			u, err := b.Store.Maintain(b.ctx, "keeper")
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			lost += u.Lost
			mu.Unlock()
		})
	}
	wg.Wait()
	if lost != n {
		b.Errorf("%d attempts were lost, want %d", lost, n)
	}
	for _, s := range specs {
		if got := b.wantState(s.ID, task.Waiting); got.Lost != 1 {
			b.Errorf("%s was lost %d times", s.ID, got.Lost)
		}
		if es := b.eventsOf(s.ID); len(es) != 3 {
			b.Errorf("%s has %d events", s.ID, len(es))
		}
	}
}

func renewalNeverReachesPastTheBound(b *bundle) {
	for i, left := range []time.Duration{5 * time.Millisecond, 0, -5 * time.Millisecond} {
		id := fmt.Sprint("x", i)
		b.enqueue(task.Spec{ID: id, Timeout: 10 * time.Millisecond, Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		t := b.claimAs(task.Exchange{Lease: time.Hour, Grace: 10 * time.Millisecond}, task.DefaultQueue, 1)[0]
		h := held(t)
		h[0].Left = left
		v := b.heartbeat(task.Renewal{Lease: time.Hour, Grace: 10 * time.Millisecond, Held: h}).Verdicts[0]
		if v != task.Kept && v != task.LeaseLost {
			b.Errorf("renewal: %s", v)
		}
		b.passes(left + 10*time.Millisecond)
		b.maintain()
		if got := b.get(id); got.State == task.Running || got.Code != task.CodeTimeout || got.Failures != 1 {
			b.Errorf("a replica that renews keeps a task past its timeout: %s %s", got.State, got.Code)
		}
	}
}

func endedLeaseAfterTheTimeout(b *bundle) {
	b.enqueue(task.Spec{ID: "x", Timeout: time.Millisecond, MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
	for i := range 2 {
		b.wantIDs(b.claimAs(task.Exchange{Grace: time.Millisecond}, task.DefaultQueue, 1), "x")
		b.passes(2 * time.Millisecond)
		b.maintain()
		got := b.get("x")
		if got.Failures != i+1 || got.Lost != 0 || got.Code != task.CodeTimeout {
			b.Errorf("after timeout %d: %+v", i+1, got)
		}
		b.passes(time.Millisecond)
	}
	b.wantEnd("x", task.Failed, task.CodeTimeout)
}

func endedLeaseOfAStoppedTask(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	b.stop("x")
	b.lose(t)
	b.wantEnd("x", task.Stopped, task.CodeStopped)
}

func progressIsCarried(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	b.updates(t, "50\x00%", false)
	b.renew("r", lease, held(t)...)
	if got := b.get("x"); string(got.Progress) != "50\x00%" || got.Version != 2 {
		b.Errorf("progress %q, version %d", got.Progress, got.Version)
	}
	old := *t
	old.Fence = 0
	b.updates(&old, "stale", true)
	if got := b.get("x"); string(got.Progress) != "50\x00%" {
		b.Errorf("a stale owner wrote progress: %q", got.Progress)
	}
}

func slowIsAnEvent(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	b.updates(t, "", true)
	b.updates(t, "", false)
	es := b.eventsOf("x")
	last := es[len(es)-1]
	if last.Code != task.CodeSlow || last.State != task.Running || last.Attempt != 1 || last.Version != 3 {
		b.Errorf("last event %+v", last)
	}
	b.accept(succeed(t))
}

func maintenanceIsOneReplicasAtATime(b *bundle) {
	u, err := b.Store.Maintain(b.ctx, "one")
	b.ok(err)
	if u.Busy {
		b.Error("the lock is held before the first takes it")
	}
	u, err = b.Peer.Maintain(b.ctx, "two")
	b.ok(err)
	if !u.Busy {
		b.Error("the second is not refused by the lock")
	}
}

func maintenanceReturnsWhen(b *bundle) {
	if u := b.maintain(); u.Next != 0 || u.Inbox || u.Lost != 0 {
		b.Errorf("an empty pool: %+v", u)
	}
	b.start(task.Spec{})
	if u := b.maintain(); u.Next <= lease-10*time.Second || u.Next > lease {
		b.Errorf("next in %v", u.Next)
	}
	b.Push(b, "{}")
	if u := b.maintain(); !u.Inbox {
		b.Error("an entry in the inbox was not seen")
	}
}
