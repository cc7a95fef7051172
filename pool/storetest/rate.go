package storetest

import (
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var rateRules = []rule{
	{"RateOfAQueueIsExact", rateOfAQueueIsExact},
	{"RateOfAGroupIsExact", rateOfAGroupIsExact},
	{"GroupRateHoldsOverLines", groupRateHoldsOverLines},
	{"TokenOfAGroupReachesAllItsLines", tokenOfAGroupReachesAllItsLines},
	{"RateReturnsTokensWithTime", rateReturnsTokensWithTime},
	{"RateHoldsFromTheNextClaim", rateHoldsFromTheNextClaim},
	{"GroupsAreExemptFromTheRateOfGroups", groupsAreExemptFromTheRate},
	{"OnlyStartsUseTokens", onlyStartsUseTokens},
	{"RetryInPlaceUsesAToken", retryInPlaceUsesAToken},
	{"RateIsReported", rateIsReported},
	{"OneReplicaKeepsTheTimeOfARate", oneReplicaKeepsTheTime},
	{"AgingOrdersByWaiting", agingOrdersByWaiting},
	{"AgingChangesOnlyWhileEmpty", agingChangesOnlyWhileEmpty},
}

// rate sets a rate.
func (fx *fixture) rate(scope task.Scope, name string, r task.Rate) {
	fx.Helper()
	fx.configure(task.Setting{Scope: scope, Name: name, Rate: &r})
}

// slowRate lets n tasks start, and no other one during a test.
func slowRate(n int) task.Rate { return task.PerHour(1).WithBurst(n) }

func (fx *fixture) enqueueMany(n int, spec task.Spec) {
	fx.Helper()
	for range n {
		spec.ID = ""
		fx.enqueue(spec)
	}
}

func rateOfAQueueIsExact(fx *fixture) {
	fx.rate(task.QueueScope, "q", slowRate(5))
	fx.enqueueMany(9, task.Spec{Queue: "q"})
	fx.enqueueMany(9, task.Spec{Queue: "free"})
	if n := len(fx.claim("q", 3)); n != 3 {
		fx.Errorf("%d started, want 3", n)
	}
	if n := len(fx.claimAs(task.Exchange{Replica: "s"}, "q", 9)); n != 2 {
		fx.Errorf("%d more started, want 2", n)
	}
	if n := len(fx.claim("q", 9)); n != 0 {
		fx.Errorf("%d started without a token", n)
	}
	if n := len(fx.claim("free", 9)); n != 9 {
		fx.Errorf("%d started in a queue without a rate", n)
	}
}

func rateOfAGroupIsExact(fx *fixture) {
	fx.rate(task.GroupsScope, "", slowRate(2))
	fx.enqueueMany(4, task.Spec{Queue: "p", Group: "g"})
	fx.enqueueMany(4, task.Spec{Queue: "q", Group: "g"})
	fx.enqueueMany(4, task.Spec{Queue: "q", Group: "h"})
	fx.enqueueMany(4, task.Spec{Queue: "q"})
	in := map[string]int{}
	for _, t := range slices.Concat(fx.claim("p", 9), fx.claim("q", 9), fx.claim("q", 9)) {
		in[t.Group]++
	}
	if in["g"] != 2 || in["h"] != 2 || in[""] != 4 {
		fx.Errorf("started by group: %v", in)
	}
}

// joinForLines joins a replica without labels and one with the label a.
func (fx *fixture) joinForLines() {
	fx.Helper()
	fx.labelled("plain")
	fx.labelled("a", "a")
}

func groupRateHoldsOverLines(fx *fixture) {
	fx.joinForLines()
	fx.rate(task.GroupScope, "g", slowRate(3))
	for range 4 {
		fx.enqueue(task.Spec{Queue: "q", Group: "g"})
		fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: []string{"a"}})
	}
	fx.put("other", "a")
	plain, a := fx.take("plain", 2), fx.take("a", 9)
	if len(plain) != 2 || len(a) != 2 || a[len(a)-1].ID != "other" {
		fx.Errorf("%d started without a label, then %d with one, want 2 of the group, 1 of the group and another one", len(plain), len(a))
	}
	fx.wantIDs(fx.take("plain", 9))
	fx.wantIDs(fx.take("a", 9))
	_, groups, err := fx.Store.Groups(fx.ctx, "g")
	fx.noError(err)
	if g := groups[0]; g.Held != 5 || g.RateUntil.IsZero() {
		fx.Errorf("group: %+v", g)
	}
}

// The token that returns starts the head of a line with labels. The next one starts that of the line
// without.
func tokenOfAGroupReachesAllItsLines(fx *fixture) {
	fx.joinForLines()
	fx.rate(task.GroupScope, "g", task.PerSecond(20).WithBurst(1))
	for _, labels := range [][]string{nil, {"a"}, nil, {"a"}} {
		fx.enqueue(task.Spec{Queue: "q", Group: "g", Labels: labels})
	}
	started := map[bool]int{}
	for len(started) < 2 || started[true]+started[false] < 4 {
		for _, replica := range []string{"a", "plain"} {
			for _, t := range fx.take(replica, 1) {
				started[len(t.Labels) > 0]++
			}
		}
		fx.waitPast(time.Millisecond)
		if fx.ctx.Err() != nil {
			fx.Fatalf("started with and without labels: %v", started)
		}
	}
}

func rateReturnsTokensWithTime(fx *fixture) {
	fx.rate(task.QueueScope, "q", task.PerSecond(20).WithBurst(1))
	fx.rate(task.GroupScope, "g", task.PerSecond(20).WithBurst(1))
	fx.enqueueMany(4, task.Spec{Queue: "q"})
	fx.enqueueMany(4, task.Spec{Queue: "p", Group: "g"})
	for _, queue := range []string{"q", "p"} {
		var starts []time.Time
		for len(starts) < 4 && fx.ctx.Err() == nil {
			for _, t := range fx.claim(queue, 9) {
				starts = append(starts, t.StartedAt)
			}
			fx.waitPast(time.Millisecond)
		}
		for i := range starts[1:] {
			if d := starts[i+1].Sub(starts[i]); d < 50*time.Millisecond {
				fx.Errorf("%s: two starts within %v, want 50ms between them", queue, d)
			}
		}
	}
}

func rateHoldsFromTheNextClaim(fx *fixture) {
	fx.enqueueMany(9, task.Spec{Queue: "q"})
	fx.rate(task.QueueScope, "q", slowRate(2))
	if n := len(fx.claim("q", 9)); n != 2 {
		fx.Errorf("%d started, want 2", n)
	}
	fx.rate(task.QueueScope, "q", slowRate(3))
	if n := len(fx.claim("q", 9)); n != 1 {
		fx.Errorf("%d started under the higher rate, want 1", n)
	}
	fx.rate(task.QueueScope, "q", slowRate(1))
	if n := len(fx.claim("q", 9)); n != 0 {
		fx.Errorf("%d started under the lower rate", n)
	}
	fx.rate(task.QueueScope, "q", task.Rate{})
	if n := len(fx.claim("q", 9)); n != 6 {
		fx.Errorf("%d started without a rate, want 6", n)
	}
}

func groupsAreExemptFromTheRate(fx *fixture) {
	fx.rate(task.GroupsScope, "", slowRate(1))
	fx.rate(task.GroupScope, "big", task.NoRate)
	fx.enqueueMany(3, task.Spec{Queue: "q", Group: "g"})
	fx.enqueueMany(3, task.Spec{Queue: "q", Group: "big"})
	if n := len(fx.claim("q", 9)); n != 4 {
		fx.Errorf("%d started, want 1 of g and 3 of big", n)
	}
	fx.rate(task.GroupsScope, "", task.Rate{})
	if n := len(fx.claim("q", 9)); n != 2 {
		fx.Errorf("%d started after the rate was removed, want 2", n)
	}
}

func onlyStartsUseTokens(fx *fixture) {
	fx.rate(task.QueueScope, "q", slowRate(2))
	stopped := fx.enqueue(task.Spec{Queue: "q"})
	fx.enqueue(task.Spec{Queue: "q", ID: "a", TTL: time.Millisecond})
	fx.enqueue(task.Spec{Queue: "q", ID: "b"})
	fx.enqueue(task.Spec{Queue: "q", ID: "b"})
	_, err := fx.Store.Stop(fx.ctx, "", stopped)
	fx.noError(err)
	fx.waitPast(2 * time.Millisecond)
	got := fx.claim("q", 9)
	if len(got) != 1 || got[0].ID != "b" {
		fx.Fatalf("%d started, want b", len(got))
	}
	fx.accept(failIn(got[0], 0))
	if n := len(fx.claim("q", 9)); n != 1 {
		fx.Errorf("the retry did not start")
	}
	fx.enqueue(task.Spec{Queue: "q"})
	if n := len(fx.claim("q", 9)); n != 0 {
		fx.Errorf("%d started: the retry used no token", n)
	}
}

func retryInPlaceUsesAToken(fx *fixture) {
	fx.rate(task.QueueScope, "q", slowRate(2))
	fx.enqueue(task.Spec{Queue: "q", MaxAttempts: 9})
	t := fx.claim("q", 1)[0]
	r := failIn(t, 0)
	r.InPlace = true
	if v := fx.report(r); v[0] != task.Again {
		fx.Errorf("with a token the verdict is %v", v)
	}
	if v := fx.report(r); v[0] != task.Accepted {
		fx.Errorf("without a token the verdict is %v", v)
	}
	if n := len(fx.claim("q", 1)); n != 0 {
		fx.Errorf("%d started without a token", n)
	}
}

func rateIsReported(fx *fixture) {
	rate := slowRate(1)
	fx.rate(task.QueueScope, "q", rate)
	fx.rate(task.GroupScope, "g", rate)
	fx.enqueueMany(3, task.Spec{Queue: "q"})
	fx.enqueueMany(3, task.Spec{Queue: "p", Group: "g"})
	fx.claim("q", 9)
	fx.claim("p", 9)
	s := fx.stats()
	i := slices.IndexFunc(s.Queues, func(q task.QueueInfo) bool { return q.Name == "q" })
	if q := s.Queues[i]; q.Rate != rate || q.RateUntil.IsZero() {
		fx.Errorf("queue: %+v", q)
	}
	fx.rate(task.GroupsScope, "", slowRate(7))
	if byDefault, err := fx.Store.DefaultRate(fx.ctx); err != nil || byDefault != slowRate(7) {
		fx.Errorf("the rate of each group is %v, %v", byDefault, err)
	}
	_, groups, err := fx.Store.Groups(fx.ctx, "g")
	fx.noError(err)
	if g := groups[0]; g.Rate != rate || !g.OwnRate || g.RateUntil.IsZero() || g.Held != 2 {
		fx.Errorf("group: %+v", g)
	}
}

func oneReplicaKeepsTheTime(fx *fixture) {
	fx.rate(task.QueueScope, "q", task.PerMinute(6).WithBurst(1))
	fx.enqueueMany(3, task.Spec{Queue: "q"})
	first := fx.send(task.Exchange{Claims: []task.Claim{{Queue: "q", N: 5}}})
	other := fx.send(task.Exchange{Replica: "s", Claims: []task.Claim{{Queue: "q", N: 5}}})
	if len(tasks(first, "q")) != 1 || first.Next <= 9*time.Second || first.Next > 10*time.Second {
		fx.Errorf("the next token returns in %v, want about 10s", first.Next)
	}
	if other.Next != 0 {
		fx.Errorf("the other replica has to come in %v, too", other.Next)
	}
}

func agingOrdersByWaiting(fx *fixture) {
	step := 20 * time.Millisecond
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", Aging: &step})
	var old, one, two string
	for {
		old = fx.enqueue(task.Spec{Queue: "q"})
		fx.waitPast(30 * time.Millisecond)
		one, two = fx.enqueue(task.Spec{Queue: "q", Priority: 1}), fx.enqueue(task.Spec{Queue: "q", Priority: 100})
		if fx.get(two).CreatedAt.Sub(fx.get(old).CreatedAt) < 100*step {
			break
		}
		fx.stopAll(old, one, two) // the machine was too slow: the priority of two is worth 100 steps of waiting
	}
	three, four := fx.enqueue(task.Spec{Queue: "q", Priority: -128}), fx.enqueue(task.Spec{Queue: "q", Priority: -128})
	var got []string
	for _, t := range fx.claim("q", 9) {
		got = append(got, t.ID)
		if want := map[string]int8{one: 1, two: 100, three: -128, four: -128}[t.ID]; t.Priority != want {
			fx.Errorf("the priority of %s is %d, want %d", t.ID, t.Priority, want)
		}
	}
	if want := []string{two, old, one, three, four}; !slices.Equal(got, want) {
		fx.Errorf("started %v, want %v", got, want)
	}
}

func agingChangesOnlyWhileEmpty(fx *fixture) {
	step := time.Second
	set := task.Setting{Scope: task.QueueScope, Name: "q", Aging: &step}
	fx.enqueue(task.Spec{Queue: "q"})
	if err := fx.Store.Configure(fx.ctx, set); err == nil {
		fx.Errorf("aging was set while a task waits")
	}
	t := fx.claim("q", 1)[0]
	if err := fx.Store.Configure(fx.ctx, set); err == nil {
		fx.Errorf("aging was set while a task runs")
	}
	fx.accept(succeed(t))
	fx.configure(set)
	fx.configure(set)
}
