package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

var leaseRules = []rule{
	{"RenewedLeaseIsKept", renewedLeaseIsKept},
	{"EndedLeaseGivesTheTaskBack", endedLeaseGivesTheTaskBack},
	{"TooManyLossesFailTheTask", tooManyLossesFailTheTask},
	{"LossUsesNoAttempt", lossUsesNoAttempt},
	{"TenReapersHaveOneEffect", tenReapersHaveOneEffect},
	{"RenewalNeverExtendsPastTheAttemptsBound", renewalNeverReachesPastTheBound},
	{"EndedLeaseAfterTheTimeoutIsATimeout", endedLeaseAfterTheTimeout},
	{"EndedLeaseOfAStoppedTaskIsItsEnd", endedLeaseOfAStoppedTask},
	{"RenewalStoresProgress", renewalStoresProgress},
	{"SlowIsAnEventAndNoChangeOfState", slowIsAnEvent},
	{"OnlyOneReplicaRunsMaintenanceAtATime", oneReplicaRunsMaintenance},
	{"MaintenanceReturnsWhenTheNextLeaseEnds", maintenanceReturnsWhen},
}

func renewedLeaseIsKept(fx *fixture) {
	fx.enqueue(task.Spec{ID: "x"})
	t := fx.claimAs(task.Exchange{Lease: shortLease}, task.DefaultQueue, 1)[0]
	for range 4 {
		if v := fx.renew("r", 3*shortLease, held(t)...); v[0] != task.Kept {
			fx.Fatalf("verdict %s", v[0])
		}
		fx.waitPast(shortLease / 3)
		fx.maintain()
	}
	fx.wantState("x", task.Running)
	fx.accept(succeed(t))
}

func endedLeaseGivesTheTaskBack(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Group: "g"})
	if u := fx.loseLeases(t); u.Lost != 1 || u.Claims != 1 {
		fx.Errorf("maintenance %+v, want one lost attempt of one claim", u)
	}
	got := fx.wantEnd("x", task.Waiting, task.CodeLost)
	if got.Lost != 1 || got.Failures != 0 {
		fx.Errorf("lost %d, failures %d", got.Lost, got.Failures)
	}
	if h := fx.history("x"); len(h) != 1 || h[0].Code != task.CodeLost || h[0].Replica != "r" {
		fx.Errorf("history %+v", h)
	}
	if s := fx.stats(); s.LeasesLost != 1 || s.Running != 0 {
		fx.Errorf("stats: %d lost, %d running", s.LeasesLost, s.Running)
	}
}

func tooManyLossesFailTheTask(fx *fixture) {
	const pause = 200 * time.Millisecond // longer than a turn of maintenance
	fx.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{"k": {}, "fragile": {MaxLost: 1}}})
	for kind, most := range map[string]int{"k": task.DefaultMaxLost, "fragile": 1} {
		id := "x-" + kind
		t := fx.start(task.Spec{ID: id, Kind: kind, Backoff: task.Backoff{Fixed: true, Base: pause}})
		for i := range most {
			fx.loseLeases(t)
			// From the second loss on each lost task waits for its own backoff.
			state := task.Waiting
			if i > 0 {
				state = task.Scheduled
			}
			if got := fx.wantState(id, state); got.Lost != i+1 {
				fx.Errorf("lost %d, want %d", got.Lost, i+1)
			}
			fx.waitPast(pause)
			t = fx.claim(task.DefaultQueue, 1)[0]
		}
		fx.loseLeases(t)
		fx.wantEnd(id, task.Failed, task.CodeLost)
		fx.verdict(succeed(t), task.LeaseLost)
	}
}

func lossUsesNoAttempt(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 1})
	fx.loseLeases(t)
	t = fx.claim(task.DefaultQueue, 1)[0]
	fx.accept(succeed(t))
}

func tenReapersHaveOneEffect(fx *fixture) {
	const n = 40
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Group: fmt.Sprint("g", i%3)}
	}
	fx.enqueueAll(specs...)
	if got := fx.claimAs(task.Exchange{Lease: time.Millisecond}, task.DefaultQueue, n); len(got) != n {
		fx.Fatalf("%d claimed", len(got))
	}
	fx.waitPast(time.Millisecond)
	var mu sync.Mutex
	lost := 0
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			// The same replica name: the maintenance lock admits all of them.
			u, err := fx.Store.Maintain(fx.ctx, "keeper")
			if err != nil {
				fx.Error(err)
			}
			mu.Lock()
			lost += u.Lost
			mu.Unlock()
		})
	}
	wg.Wait()
	if lost != n {
		fx.Errorf("%d attempts were lost, want %d", lost, n)
	}
	for _, s := range specs {
		if got := fx.wantState(s.ID, task.Waiting); got.Lost != 1 {
			fx.Errorf("%s was lost %d times", s.ID, got.Lost)
		}
		if es := fx.eventsOf(s.ID); len(es) != 3 {
			fx.Errorf("%s has %d events", s.ID, len(es))
		}
	}
}

func renewalNeverReachesPastTheBound(fx *fixture) {
	for i, left := range []time.Duration{5 * time.Millisecond, 0, -5 * time.Millisecond} {
		id := fmt.Sprint("x", i)
		fx.enqueue(task.Spec{ID: id, Timeout: 10 * time.Millisecond, Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		t := fx.claimAs(task.Exchange{Lease: time.Hour, Grace: 10 * time.Millisecond}, task.DefaultQueue, 1)[0]
		h := held(t)
		h[0].Left = left
		v := fx.heartbeat(task.Renewal{Lease: time.Hour, Grace: 10 * time.Millisecond, Held: h}).Verdicts[0]
		if v != task.Kept && v != task.LeaseLost {
			fx.Errorf("renewal: %s", v)
		}
		fx.waitPast(left + 10*time.Millisecond)
		fx.maintain()
		if got := fx.get(id); got.State == task.Running || got.Code != task.CodeTimeout || got.Failures != 1 {
			fx.Errorf("a replica that renews keeps a task past its timeout: %s %s", got.State, got.Code)
		}
	}
}

func endedLeaseAfterTheTimeout(fx *fixture) {
	fx.enqueue(task.Spec{ID: "x", Timeout: time.Millisecond, MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}})
	for i := range 2 {
		fx.wantIDs(fx.claimAs(task.Exchange{Grace: time.Millisecond}, task.DefaultQueue, 1), "x")
		fx.waitPast(2 * time.Millisecond)
		fx.maintain()
		got := fx.get("x")
		if got.Failures != i+1 || got.Lost != 0 || got.Code != task.CodeTimeout {
			fx.Errorf("after timeout %d: %+v", i+1, got)
		}
		fx.waitPast(time.Millisecond)
	}
	fx.wantEnd("x", task.Failed, task.CodeTimeout)
}

func endedLeaseOfAStoppedTask(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.stop("x")
	fx.loseLeases(t)
	fx.wantEnd("x", task.Stopped, task.CodeStopped)
}

func renewalStoresProgress(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.sendUpdate(t, "50\x00%", false)
	fx.renew("r", lease, held(t)...)
	if got := fx.get("x"); string(got.Progress) != "50\x00%" || got.Version != 2 {
		fx.Errorf("progress %q, version %d", got.Progress, got.Version)
	}
	old := *t
	old.Fence = 0
	fx.sendUpdate(&old, "stale", true)
	if got := fx.get("x"); string(got.Progress) != "50\x00%" {
		fx.Errorf("a stale owner wrote progress: %q", got.Progress)
	}
}

func slowIsAnEvent(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.sendUpdate(t, "", true)
	fx.sendUpdate(t, "", false)
	es := fx.eventsOf("x")
	last := es[len(es)-1]
	if last.Code != task.CodeSlow || last.State != task.Running || last.Attempt != 1 || last.Version != 3 {
		fx.Errorf("last event %+v", last)
	}
	fx.accept(succeed(t))
}

func oneReplicaRunsMaintenance(fx *fixture) {
	const turn = time.Second // the lock lasts so long
	busy := func(n int) bool {
		u, err := []pool.Store{fx.Store, fx.Peer}[n%2].Maintain(fx.ctx, []string{"one", "two"}[n%2])
		fx.noError(err)
		return u.Busy
	}
	begin := fx.Now(fx)
	if busy(0) {
		fx.Error("the lock is held before the first takes it")
	}
	for n := 1; ; n++ {
		before := fx.Now(fx)
		if busy(n) {
			return
		}
		if fx.Now(fx).Sub(begin) < turn {
			fx.Fatal("the second is not refused by the lock")
		}
		begin = before // the machine was too slow: the lock had ended, and the second has taken it
	}
}

func maintenanceReturnsWhen(fx *fixture) {
	if u := fx.maintain(); u.Next != 0 || u.Inbox || u.Lost != 0 {
		fx.Errorf("an empty pool: %+v", u)
	}
	fx.start(task.Spec{})
	if u := fx.maintain(); u.Next <= lease-10*time.Second || u.Next > lease {
		fx.Errorf("next in %v", u.Next)
	}
	fx.Push(fx, "{}")
	if u := fx.maintain(); !u.Inbox {
		fx.Error("an entry in the inbox was not seen")
	}
}
