package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of a claim as a batch of tasks.
var batchRules = []rule{
	{"TasksOfAClaimShareOneFenceAndOneLease", tasksOfAClaimShare},
	{"TasksWithAnotherBoundGetAClaimOfTheirOwn", anotherBound},
	{"EndedLeaseTakesBackTheWholeClaim", endedLeaseTakesBackTheClaim},
	{"ClaimNotNamedInARenewalLapses", claimNotNamedLapses},
	{"ReportOfPartOfAClaimLeavesTheLeaseOfTheRest", reportOfPart},
	{"LastReportOfAClaimRemovesItsLease", lastReport},
	{"LastReportIsCheckedAgainstTheClaim", lastReportIsChecked},
	{"ClaimWithoutItsLastReportEndsWithItsLease", claimWithoutLast},
	{"EndedLeaseAnswersForEachTask", endedLeaseForEachTask},
	{"OldAttemptOfAnIDThatWasEnqueuedAgainIsRefused", sameIDAgain},
}

// startAll enqueues n tasks and claims them in one exchange.
func (b *bundle) startAll(n int, spec task.Spec) []*task.Task {
	b.Helper()
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = spec
		specs[i].ID = fmt.Sprint(spec.ID, i)
	}
	b.enqueueAll(specs...)
	queue := spec.Queue
	if queue == "" {
		queue = task.DefaultQueue
	}
	ts := tasks(b.send(task.Exchange{Claims: []task.Claim{{Queue: queue, N: n}}}))
	if len(ts) != n || ts[0].Fence != ts[n-1].Fence {
		b.Fatalf("claimed %v", ids(ts))
	}
	return ts
}

func tasksOfAClaimShare(b *bundle) {
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
	b.enqueueAll(specs...)
	got := b.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: len(specs)}}})
	if len(got.Claimed) != 1 || len(got.Claimed[0].Tasks) != len(specs) {
		b.Fatalf("%d claims, want one: every task has the default timeout", len(got.Claimed))
	}
	if v := b.renew("r", lease, held(tasks(got)...)...); !slices.Equal(v, []task.Verdict{task.Kept}) {
		b.Errorf("verdicts %v", v)
	}
	b.accept(succeedAll(tasks(got))...)
	if u := b.maintain(); u.Next != 0 || u.Claims != 0 {
		b.Errorf("maintenance %+v, want no lease to be left", u)
	}
}

func anotherBound(b *bundle) {
	b.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{"k": {}, "endless": {Timeout: task.Forever}}})
	b.enqueueAll(
		task.Spec{ID: "a", Timeout: time.Minute}, task.Spec{ID: "b", Timeout: time.Hour}, task.Spec{ID: "c", Timeout: time.Minute},
		task.Spec{ID: "d"}, task.Spec{ID: "e", Kind: "endless"}, task.Spec{ID: "f", Deadline: 10 * time.Second},
		task.Spec{ID: "g", Timeout: task.Forever}, task.Spec{ID: "h", Timeout: task.DefaultTimeout})
	bounds := map[string]time.Duration{"a": time.Minute, "b": time.Hour, "c": time.Minute, "d": task.DefaultTimeout, "e": task.Forever,
		"f": 10 * time.Second, "g": task.Forever, "h": task.DefaultTimeout}
	got := b.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: len(bounds)}}})
	if len(tasks(got)) != len(bounds) {
		b.Fatalf("claimed %v", ids(tasks(got)))
	}
	if n := len(got.Claimed); n < 5 {
		b.Errorf("%d claims of 5 bounds", n)
	}
	for _, c := range got.Claimed {
		for _, t := range c.Tasks {
			if want := bounds[t.ID]; c.Left > want || c.Left < want-5*time.Second {
				b.Errorf("%s may take %v, want %v", t.ID, c.Left, want)
			}
		}
	}
}

func endedLeaseTakesBackTheClaim(b *bundle) {
	ts := b.startAll(5, task.Spec{ID: "t"})
	other := b.startAll(2, task.Spec{ID: "o"})
	b.accept(succeed(ts[1]))
	open := append(slices.Clone(ts[:1]), ts[2:]...)
	if u := b.lose(open...); u.Claims != 1 || u.Lost != 4 {
		b.Errorf("maintenance %+v, want 4 attempts of one claim", u)
	}
	for _, t := range open {
		if got := b.wantEnd(t.ID, task.Waiting, task.CodeLost); got.Lost != 1 || got.Failures != 0 {
			b.Errorf("%s: lost %d, failures %d", t.ID, got.Lost, got.Failures)
		}
		b.verdict(succeed(t), task.LeaseLost)
	}
	if v := b.renew("r", lease, held(open...)...); v[0] != task.LeaseLost {
		b.Errorf("renewal of the claim that ended: %s", v[0])
	}
	if v := b.renew("r", lease, held(other...)...); v[0] != task.Kept {
		b.Errorf("renewal of the other claim: %s", v[0])
	}
	if s := b.stats(); s.LeasesLost != 1 && s.LeasesLost != 4 || s.Running != 2 {
		b.Errorf("stats: %d lost, %d running", s.LeasesLost, s.Running)
	}
}

func claimNotNamedLapses(b *bundle) {
	b.present("r")
	var claims [3][]*task.Task
	for i := range claims {
		b.enqueueAll(task.Spec{ID: fmt.Sprint("a", i)}, task.Spec{ID: fmt.Sprint("b", i)})
		claims[i] = b.claimAs(task.Exchange{Lease: patient}, task.DefaultQueue, 2)
	}
	b.renew("r", time.Hour, held(append(slices.Clone(claims[0]), claims[2]...)...)...)
	b.passes(patient)
	b.maintain()
	for _, t := range claims[1] {
		b.wantEnd(t.ID, task.Waiting, task.CodeLost)
	}
	for _, i := range []int{0, 2} {
		for _, t := range claims[i] {
			b.wantState(t.ID, task.Running)
		}
		b.accept(succeedAll(claims[i])...)
	}
}

func reportOfPart(b *bundle) {
	ts := b.startAll(4, task.Spec{ID: "t"})
	for i, r := range []task.Report{succeed(ts[0]), failIn(ts[1], time.Hour), release(ts[2], time.Hour)} {
		r.Last = false
		b.accept(r)
		if v := b.renew("r", lease, held(ts[i+1:]...)...); v[0] != task.Kept {
			b.Errorf("renewal after report %d: %s", i+1, v[0])
		}
		if u := b.maintain(); u.Next <= 0 || u.Next > lease {
			b.Errorf("after report %d the lease ends in %v", i+1, u.Next)
		}
		b.wantState(ts[3].ID, task.Running)
	}
	b.accept(succeed(ts[3]))
}

func lastReport(b *bundle) {
	ends := map[string]func(t *task.Task) task.Report{
		"success": succeed, "failure": func(t *task.Task) task.Report { return fail(t, task.CodePermanent) },
		"retry":   func(t *task.Task) task.Report { return failIn(t, 0) },
		"release": func(t *task.Task) task.Report { return release(t, 0) },
	}
	for name, end := range ends {
		t := b.start(task.Spec{ID: name})
		b.accept(end(t))
		if v := b.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
			b.Errorf("%s: renewal of the ended claim: %s", name, v[0])
		}
		b.stop(name)
		b.remove(name)
		if u := b.maintain(); u.Next != 0 {
			b.Errorf("%s: a lease is left, it ends in %v", name, u.Next)
		}
	}
}

// The replica can be wrong: the store may hold an attempt whose report it forgot.
func lastReportIsChecked(b *bundle) {
	ts := b.startAll(2, task.Spec{ID: "t"})
	b.accept(succeed(ts[0])) // with Last set
	b.wantState("t1", task.Running)
	if v := b.renew("r", lease, held(ts[1])...); v[0] != task.Kept {
		b.Errorf("renewal: %s", v[0])
	}
	b.accept(succeed(ts[1]))
	if u := b.maintain(); u.Next != 0 {
		b.Errorf("a lease is left, it ends in %v", u.Next)
	}
}

func claimWithoutLast(b *bundle) {
	b.present("r")
	b.enqueue(task.Spec{ID: "x"})
	t := b.claimAs(task.Exchange{Lease: time.Millisecond}, task.DefaultQueue, 1)[0]
	r := succeed(t)
	r.Last = false
	b.accept(r)
	b.passes(time.Millisecond)
	if u := b.maintain(); u.Lost != 0 {
		b.Errorf("maintenance %+v, want no attempt lost", u)
	}
	if u := b.maintain(); u.Next != 0 || u.Claims != 0 {
		b.Errorf("maintenance %+v, want no claim to be left", u)
	}
	if es := b.eventsOf("x"); len(es) != 3 {
		b.Errorf("events %v", states(es))
	}
}

func endedLeaseForEachTask(b *bundle) {
	b.join(task.Registration{Replica: "r", Lease: time.Hour, Kinds: map[string]task.Policy{"k": {}, "once": {MaxLost: 1}}})
	hour := task.Backoff{Fixed: true, Base: time.Hour}
	b.limit(task.GroupScope, "g", 1)
	b.enqueueAll(task.Spec{ID: "again", Kind: "once", Backoff: hour}, task.Spec{ID: "first"}, task.Spec{ID: "stopped"},
		task.Spec{ID: "group", Group: "g"}, task.Spec{ID: "behind", Group: "g"}, task.Spec{ID: "removed", Retain: ptr(time.Duration(0))})
	again := b.claim(task.DefaultQueue, 1)
	b.wantIDs(again, "again")
	b.lose(again...)
	b.join(task.Registration{Replica: "r", Lease: time.Hour})
	ts := b.claim(task.DefaultQueue, 9)
	b.wantIDs(ts, "again", "first", "stopped", "group", "removed")
	b.stop("stopped")
	b.stop("removed")
	b.lose(ts...)
	b.wantEnd("again", task.Failed, task.CodeLost)
	b.wantEnd("first", task.Waiting, task.CodeLost)
	b.wantEnd("stopped", task.Stopped, task.CodeStopped)
	b.wantEnd("group", task.Waiting, task.CodeLost)
	b.wantNoTrace("removed")
	b.wantIDs(b.claim(task.DefaultQueue, 9), "first", "group")
}

func sameIDAgain(b *bundle) {
	old := b.startAll(2, task.Spec{ID: "x", Group: "g", Unique: ""})
	b.lose(old...)
	now := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 2)
	b.wantIDs(now, "x0", "x1")
	b.accept(succeed(now[0])) // and is removed
	b.wantNoTrace("x0")
	b.enqueue(task.Spec{ID: "x0", Retain: ptr(time.Hour)})
	refused := func(want task.State) {
		b.Helper()
		b.unchanged("x0", func() {
			for _, t := range []*task.Task{old[0], now[0]} {
				for _, r := range everyReport(t) {
					b.verdict(r, task.LeaseLost)
				}
			}
			b.renew("r", lease, held(old...)...)
			b.heartbeat(task.Renewal{Replica: "r", Held: held(old...), Updates: []task.AttemptUpdate{{ID: "x0", Fence: old[0].Fence, Progress: []byte("old"), Slow: true}}})
		})
		b.wantState("x0", want)
	}
	refused(task.Waiting)
	again := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 2)
	b.wantIDs(again, "x0")
	if again[0].Fence <= now[0].Fence || again[0].Attempt != 1 {
		b.Errorf("fence %d after %d, attempt %d", again[0].Fence, now[0].Fence, again[0].Attempt)
	}
	refused(task.Running)
	if v := b.renew("s", lease, held(now[1], again[0])...); !cmp.Equal(v, []task.Verdict{task.Kept, task.Kept}) {
		b.Errorf("verdicts %v", v)
	}
	b.accept(succeed(again[0]))
	refused(task.Succeeded)
}
