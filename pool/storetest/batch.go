package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of claims with several tasks.
var batchRules = []rule{
	{"TasksOfAClaimShareOneFenceAndOneLease", tasksOfAClaimShare},
	{"TasksWithAnotherBoundGetAClaimOfTheirOwn", anotherBound},
	{"EndedLeaseTakesBackTheWholeClaim", endedLeaseTakesBackTheClaim},
	{"ClaimNotListedInARenewalLapses", claimNotListedLapses},
	{"ReportOfPartOfAClaimLeavesTheLeaseOfTheRest", reportOfPart},
	{"LastReportOfAClaimRemovesItsLease", lastReport},
	{"LastReportIsCheckedAgainstTheClaim", lastReportIsChecked},
	{"ClaimWithoutItsLastReportEndsWithItsLease", claimWithoutLast},
	{"EndedLeaseDecidesForEachTask", endedLeaseForEachTask},
	{"OldAttemptOfAnIDThatWasEnqueuedAgainIsRefused", sameIDAgain},
}

// startAll enqueues n tasks and claims them in one exchange.
func (fx *fixture) startAll(n int, spec task.Spec) []*task.Task {
	fx.Helper()
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = spec
		specs[i].ID = fmt.Sprint(spec.ID, i)
	}
	fx.enqueueAll(specs...)
	queue := spec.Queue
	if queue == "" {
		queue = task.DefaultQueue
	}
	ts := tasks(fx.send(task.Exchange{Claims: []task.Claim{{Queue: queue, N: n}}}))
	if len(ts) != n || ts[0].Fence != ts[n-1].Fence {
		fx.Fatalf("claimed %v", ids(ts))
	}
	return ts
}

func tasksOfAClaimShare(fx *fixture) {
	specs := make([]task.Spec, 60)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), Kind: fmt.Sprint("k", i%4), Priority: int8(i % 3)}
		switch i % 6 {
		case 1:
			specs[i].Group = fmt.Sprint("g", i%5)
		case 3:
			specs[i].Unique = fmt.Sprint("u", i)
		case 5:
			specs[i].Headers = map[string]string{"h": "v"}
		}
	}
	fx.enqueueAll(specs...)
	got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: len(specs)}}})
	if len(got.Claimed) != 1 || len(got.Claimed[0].Tasks) != len(specs) {
		fx.Fatalf("%d claims, want one: every task has the default timeout", len(got.Claimed))
	}
	if v := fx.renew("r", lease, held(tasks(got)...)...); !slices.Equal(v, []task.Verdict{task.Kept}) {
		fx.Errorf("verdicts %v", v)
	}
	fx.accept(succeedAll(tasks(got))...)
	if u := fx.maintain(); u.Next != 0 || u.Claims != 0 {
		fx.Errorf("maintenance %+v, want no lease to be left", u)
	}
}

func anotherBound(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{"k": {}, "endless": {Timeout: task.Forever}}})
	fx.enqueueAll(
		task.Spec{ID: "a", Timeout: time.Minute}, task.Spec{ID: "b", Timeout: time.Hour}, task.Spec{ID: "c", Timeout: time.Minute},
		task.Spec{ID: "d"}, task.Spec{ID: "e", Kind: "endless"}, task.Spec{ID: "f", Deadline: 10 * time.Second},
		task.Spec{ID: "g", Timeout: task.Forever}, task.Spec{ID: "h", Timeout: task.DefaultTimeout})
	bounds := map[string]time.Duration{"a": time.Minute, "b": time.Hour, "c": time.Minute, "d": task.DefaultTimeout, "e": task.Forever,
		"f": 10 * time.Second, "g": task.Forever, "h": task.DefaultTimeout}
	got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: len(bounds)}}})
	if len(tasks(got)) != len(bounds) {
		fx.Fatalf("claimed %v", ids(tasks(got)))
	}
	if n := len(got.Claimed); n < 5 {
		fx.Errorf("%d claims of 5 bounds", n)
	}
	for _, c := range got.Claimed {
		for _, t := range c.Tasks {
			if want := bounds[t.ID]; c.Left > want || c.Left < want-5*time.Second {
				fx.Errorf("%s may take %v, want %v", t.ID, c.Left, want)
			}
		}
	}
}

func endedLeaseTakesBackTheClaim(fx *fixture) {
	ts := fx.startAll(5, task.Spec{ID: "t"})
	other := fx.startAll(2, task.Spec{ID: "o"})
	fx.accept(succeed(ts[1]))
	open := append(slices.Clone(ts[:1]), ts[2:]...)
	if u := fx.loseLeases(open...); u.Claims != 1 || u.Lost != 4 {
		fx.Errorf("maintenance %+v, want 4 attempts of one claim", u)
	}
	for _, t := range open {
		if got := fx.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Lost != 1 || got.Failures != 0 {
			fx.Errorf("%s: lost %d, failures %d", t.ID, got.Lost, got.Failures)
		}
		fx.verdict(succeed(t), task.LeaseLost)
	}
	if v := fx.renew("r", lease, held(open...)...); v[0] != task.LeaseLost {
		fx.Errorf("renewal of the claim that ended: %s", v[0])
	}
	if v := fx.renew("r", lease, held(other...)...); v[0] != task.Kept {
		fx.Errorf("renewal of the other claim: %s", v[0])
	}
	if s := fx.stats(); s.LeasesLost != 1 && s.LeasesLost != 4 || s.Running != 2 {
		fx.Errorf("stats: %d lost, %d running", s.LeasesLost, s.Running)
	}
}

func claimNotListedLapses(fx *fixture) {
	fx.ensureJoined("r")
	var claims [3][]*task.Task
	for i := range claims {
		fx.enqueueAll(task.Spec{ID: fmt.Sprint("a", i)}, task.Spec{ID: fmt.Sprint("b", i)})
		claims[i] = fx.claimAs(task.Exchange{Lease: shortLease}, task.DefaultQueue, 2)
	}
	fx.renew("r", time.Hour, held(append(slices.Clone(claims[0]), claims[2]...)...)...)
	fx.waitPast(shortLease)
	fx.maintain()
	for _, t := range claims[1] {
		fx.wantEnd(t.ID, task.Waiting, task.CodeLost)
	}
	for _, i := range []int{0, 2} {
		for _, t := range claims[i] {
			fx.wantState(t.ID, task.Running)
		}
		fx.accept(succeedAll(claims[i])...)
	}
}

func reportOfPart(fx *fixture) {
	ts := fx.startAll(4, task.Spec{ID: "t"})
	for i, r := range []task.Report{succeed(ts[0]), failIn(ts[1], time.Hour), release(ts[2], time.Hour)} {
		r.Last = false
		fx.accept(r)
		if v := fx.renew("r", lease, held(ts[i+1:]...)...); v[0] != task.Kept {
			fx.Errorf("renewal after report %d: %s", i+1, v[0])
		}
		if u := fx.maintain(); u.Next <= 0 || u.Next > lease {
			fx.Errorf("after report %d the lease ends in %v", i+1, u.Next)
		}
		fx.wantState(ts[3].ID, task.Running)
	}
	fx.accept(succeed(ts[3]))
}

func lastReport(fx *fixture) {
	ends := map[string]func(t *task.Task) task.Report{
		"success": succeed, "failure": func(t *task.Task) task.Report { return fail(t, task.CodePermanent) },
		"retry":   func(t *task.Task) task.Report { return failIn(t, 0) },
		"release": func(t *task.Task) task.Report { return release(t, 0) },
	}
	for name, end := range ends {
		t := fx.start(task.Spec{ID: name})
		fx.accept(end(t))
		if v := fx.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
			fx.Errorf("%s: renewal of the ended claim: %s", name, v[0])
		}
		fx.stop(name)
		fx.remove(name)
		if u := fx.maintain(); u.Next != 0 {
			fx.Errorf("%s: a lease is left, it ends in %v", name, u.Next)
		}
	}
}

// The replica may set Last although the store has another open attempt of the claim.
func lastReportIsChecked(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t"})
	fx.accept(succeed(ts[0])) // with Last set
	fx.wantState("t1", task.Running)
	if v := fx.renew("r", lease, held(ts[1])...); v[0] != task.Kept {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.accept(succeed(ts[1]))
	if u := fx.maintain(); u.Next != 0 {
		fx.Errorf("a lease is left, it ends in %v", u.Next)
	}
}

func claimWithoutLast(fx *fixture) {
	fx.ensureJoined("r")
	fx.enqueue(task.Spec{ID: "x"})
	t := fx.claimAs(task.Exchange{Lease: time.Millisecond}, task.DefaultQueue, 1)[0]
	r := succeed(t)
	r.Last = false
	fx.accept(r)
	fx.waitPast(time.Millisecond)
	if u := fx.maintain(); u.Lost != 0 {
		fx.Errorf("maintenance %+v, want no attempt lost", u)
	}
	if u := fx.maintain(); u.Next != 0 || u.Claims != 0 {
		fx.Errorf("maintenance %+v, want no claim to be left", u)
	}
	if es := fx.eventsOf("x"); len(es) != 3 {
		fx.Errorf("events %v", states(es))
	}
}

func endedLeaseForEachTask(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Lease: time.Hour, Kinds: map[string]task.Policy{"k": {}, "once": {MaxLost: 1}}})
	hour := task.Backoff{Fixed: true, Base: time.Hour}
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "again", Kind: "once", Backoff: hour}, task.Spec{ID: "first"}, task.Spec{ID: "stopped"},
		task.Spec{ID: "group", Group: "g"}, task.Spec{ID: "behind", Group: "g"}, task.Spec{ID: "removed", Retain: ptr(time.Duration(0))})
	again := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(again, "again")
	fx.loseLeases(again...)
	fx.join(task.Registration{Replica: "r", Lease: time.Hour})
	ts := fx.claim(task.DefaultQueue, 9)
	fx.wantIDs(ts, "again", "first", "stopped", "group", "removed")
	fx.stop("stopped")
	fx.stop("removed")
	fx.loseLeases(ts...)
	fx.wantEnd("again", task.Failed, task.CodeLost)
	fx.wantEnd("first", task.Waiting, task.CodeLost)
	fx.wantEnd("stopped", task.Stopped, task.CodeStopped)
	fx.wantEnd("group", task.Waiting, task.CodeLost)
	fx.wantNoTrace("removed")
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "first", "group")
}

func sameIDAgain(fx *fixture) {
	old := fx.startAll(2, task.Spec{ID: "x", Group: "g", Unique: ""})
	fx.loseLeases(old...)
	now := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 2)
	fx.wantIDs(now, "x0", "x1")
	fx.accept(succeed(now[0])) // which removes the task
	fx.wantNoTrace("x0")
	fx.enqueue(task.Spec{ID: "x0", Retain: ptr(time.Hour)})
	refused := func(want task.State) {
		fx.Helper()
		fx.unchanged("x0", func() {
			for _, t := range []*task.Task{old[0], now[0]} {
				for _, r := range everyReport(t) {
					fx.verdict(r, task.LeaseLost)
				}
			}
			fx.renew("r", lease, held(old...)...)
			fx.heartbeat(task.Renewal{Replica: "r", Held: held(old...), Updates: []task.AttemptUpdate{{ID: "x0", Fence: old[0].Fence, Progress: []byte("old"), Slow: true}}})
		})
		fx.wantState("x0", want)
	}
	refused(task.Waiting)
	again := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 2)
	fx.wantIDs(again, "x0")
	if again[0].Fence <= now[0].Fence || again[0].Attempt != 1 {
		fx.Errorf("fence %d after %d, attempt %d", again[0].Fence, now[0].Fence, again[0].Attempt)
	}
	refused(task.Running)
	if v := fx.renew("s", lease, held(now[1], again[0])...); !cmp.Equal(v, []task.Verdict{task.Kept, task.Kept}) {
		fx.Errorf("verdicts %v", v)
	}
	fx.accept(succeed(again[0]))
	refused(task.Succeeded)
}
