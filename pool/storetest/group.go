package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var groupRules = []rule{
	{"GroupLimitIsExact", groupLimitIsExact},
	{"GroupLimitHoldsOverQueues", groupLimitHoldsOverQueues},
	{"BlockedGroupDelaysNoOther", blockedGroupDelaysNoOther},
	{"ManyBlockedGroupsDelayNoOther", manyBlockedGroupsDelayNoOther},
	{"BestOfAGroupStartsFirst", bestOfAGroupStartsFirst},
	{"OwnLimitOfAGroupGoesBeforeTheDefault", ownLimitGoesBeforeTheDefault},
	{"TasksBehindAHeadThatCanStartAreNotHeld", tasksBehindAHeadThatCanStartAreNotHeld},
	{"LimitSetOnWaitingTasksHolds", limitSetOnWaitingTasksHolds},
	{"StoppedHeadLetsTheNextForward", stoppedHeadLetsTheNextForward},
	{"UrgentTaskOfAFullGroupIsItsNextStart", urgentTaskOfAFullGroup},
	{"FreedGroupStartsInTheQueueThatWaits", freedGroupStartsInTheQueueThatWaits},
	{"GroupsThatShareAPrefixAreApart", groupsThatShareAPrefixAreApart},
}

func groupLimitIsExact(b *bundle) {
	for _, limit := range []int{1, 2, 7} {
		g := fmt.Sprint("g", limit)
		b.limit(task.GroupScope, g, limit)
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("%s-%d", g, i))
			b.enqueue(task.Spec{ID: want[i], Queue: g, Group: g})
		}
		running := b.claim(g, 20)
		b.wantIDs(running, want[:limit]...)
		b.wantIDs(b.claim(g, 20))
		for next := limit; next < 20; next++ {
			b.accept(succeed(running[0]))
			got := b.claim(g, 20)
			b.wantIDs(got, want[next])
			running = append(running[1:], got...)
		}
	}
}

func groupLimitHoldsOverQueues(b *bundle) {
	b.limit(task.GroupScope, "g", 2)
	for i := range 4 {
		b.enqueueAll(task.Spec{ID: fmt.Sprint("p", i), Queue: "p", Group: "g"}, task.Spec{ID: fmt.Sprint("q", i), Queue: "q", Group: "g"})
	}
	got := b.send(task.Exchange{Claims: []task.Claim{{Queue: "p", N: 1}, {Queue: "q", N: 4}}})
	b.wantIDs(tasks(got, "p"), "p0")
	b.wantIDs(tasks(got, "q"), "q0")
	b.wantIDs(b.claim("p", 4))
	b.accept(succeed(tasks(got, "q")[0]))
	b.wantIDs(b.claim("p", 4), "p1")
	b.wantIDs(b.claim("q", 4))
}

func blockedGroupDelaysNoOther(b *bundle) {
	b.limit(task.GroupsScope, "", 1)
	for i := range 50 {
		b.enqueue(task.Spec{ID: fmt.Sprint("a", i), Group: "a", Priority: 9})
	}
	b.enqueueAll(task.Spec{ID: "b0", Group: "b"}, task.Spec{ID: "free"}, task.Spec{ID: "b1", Group: "b"})
	b.wantIDs(b.claim(task.DefaultQueue, 9), "a0", "b0", "free")
}

func manyBlockedGroupsDelayNoOther(b *bundle) {
	const n = 300
	b.limit(task.GroupsScope, "", 1)
	var specs []task.Spec
	for i := range n {
		g := fmt.Sprint("g", i)
		specs = append(specs, task.Spec{Group: g}, task.Spec{Group: g}, task.Spec{Group: g})
	}
	b.enqueueAll(specs...)
	if got := len(b.claim(task.DefaultQueue, 3*n)); got != n {
		b.Fatalf("%d of %d groups started", got, n)
	}
	b.enqueue(task.Spec{ID: "last", Priority: -128})
	b.wantIDs(b.claim(task.DefaultQueue, 1), "last")
}

func bestOfAGroupStartsFirst(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	t := b.start(task.Spec{ID: "holder", Group: "g"})
	b.enqueue(task.Spec{ID: "low", Group: "g", Priority: -1})
	b.enqueue(task.Spec{ID: "plain", Group: "g"})
	b.enqueue(task.Spec{ID: "high", Group: "g", Priority: 127})
	b.enqueue(task.Spec{ID: "high2", Group: "g", Priority: 127})
	b.accept(succeed(t))
	b.enqueue(task.Spec{ID: "top", Group: "g", Priority: 127})
	b.wantOrder(b.drain(task.DefaultQueue), "high", "high2", "top", "plain", "low")
	// A better one that comes while the head is among the waiting tasks.
	for i, p := range []int8{-5, 0, 3, -2, 3, 100} {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g", Priority: p})
	}
	b.wantOrder(b.drain(task.DefaultQueue), "t5", "t2", "t4", "t1", "t3", "t0")
}

func ownLimitGoesBeforeTheDefault(b *bundle) {
	b.limit(task.GroupsScope, "", 1)
	b.limit(task.GroupScope, "big", 3)
	for i := range 4 {
		b.enqueueAll(task.Spec{ID: fmt.Sprint("b", i), Group: "big"}, task.Spec{ID: fmt.Sprint("s", i), Group: "small"})
	}
	b.wantIDs(b.claim(task.DefaultQueue, 9), "b0", "s0", "b1", "b2")
	b.wantGroups(nil, 1, task.GroupInfo{Name: "big", Limit: 3, Own: true, Running: 3, Held: 1})
	b.wantGroups([]string{"small", "none", "big", "small"}, 1,
		task.GroupInfo{Name: "big", Limit: 3, Own: true, Running: 3, Held: 1},
		task.GroupInfo{Name: "none", Limit: 1},
		task.GroupInfo{Name: "small", Limit: 1, Running: 1, Held: 3})
	b.limit(task.GroupScope, "big", 0)
	b.wantIDs(b.claim(task.DefaultQueue, 9))
}

func (b *bundle) wantGroups(names []string, byDefault int, want ...task.GroupInfo) {
	b.Helper()
	def, got, err := b.Store.Groups(b.ctx, names...)
	b.ok(err)
	if def != byDefault {
		b.Errorf("default limit %d, want %d", def, byDefault)
	}
	if d := cmp.Diff(want, got); d != "" {
		b.Error("groups (-want +got):\n", d)
	}
}

func tasksBehindAHeadThatCanStartAreNotHeld(b *bundle) {
	b.limit(task.GroupScope, "g", 2)
	b.enqueueAll(task.Spec{Group: "g"}, task.Spec{Group: "g"}, task.Spec{Group: "g", Queue: "q"}, task.Spec{Group: "g", Queue: "q"})
	b.wantGroups(nil, 0, task.GroupInfo{Name: "g", Limit: 2, Own: true})
	b.claim("q", 2)
	b.wantGroups(nil, 0, task.GroupInfo{Name: "g", Limit: 2, Own: true, Running: 2, Held: 2})
	b.limit(task.GroupScope, "g", 0)
	b.wantGroups([]string{"g"}, 0, task.GroupInfo{Name: "g", Running: 2})
	b.wantGroups(nil, 0)
}

func limitSetOnWaitingTasksHolds(b *bundle) {
	for i := range 30 {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g"})
	}
	b.enqueue(task.Spec{ID: "other"})
	b.limit(task.GroupScope, "g", 2)
	running := b.claim(task.DefaultQueue, 3)
	b.wantIDs(running, "t0", "t1", "other")
	for next := 2; next < 30; next++ {
		b.accept(succeed(running[0]))
		got := b.claim(task.DefaultQueue, 9)
		b.wantIDs(got, fmt.Sprint("t", next))
		running = append([]*task.Task{running[1]}, got...)
	}
}

func stoppedHeadLetsTheNextForward(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	for i := range 5 {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g"})
	}
	b.stop("t0") // the head
	b.stop("t2") // behind it
	t := b.claim(task.DefaultQueue, 9)
	b.wantIDs(t, "t1")
	b.stop("t3")
	b.accept(release(t[0], time.Hour))
	b.wantIDs(b.claim(task.DefaultQueue, 9), "t4")
}

// The group is full because of another queue: its head here was the best task when
// it was queued, and is no longer.
func urgentTaskOfAFullGroup(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	b.enqueue(task.Spec{ID: "plain", Queue: "q", Group: "g"})
	t := b.start(task.Spec{ID: "holder", Queue: "p", Group: "g"})
	b.enqueue(task.Spec{ID: "urgent", Queue: "q", Group: "g", Priority: 1})
	b.accept(succeed(t))
	b.enqueue(task.Spec{ID: "other", Queue: "q"})
	b.wantOrder(b.drain("q"), "urgent", "plain", "other")
}

func freedGroupStartsInTheQueueThatWaits(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	t := b.start(task.Spec{ID: "holder", Queue: "p", Group: "g"})
	b.enqueue(task.Spec{ID: "next", Queue: "q", Group: "g"})
	b.wantIDs(b.claim("q", 1))
	b.serve("w", "q")
	b.sleep("w")
	got := b.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "p", N: 1}}})
	if got.Verdicts[0] != task.Accepted || len(tasks(got)) != 0 {
		b.Errorf("verdict %s, claimed %v", got.Verdicts[0], ids(tasks(got)))
	}
	b.wantSignals("the group has a free slot", "w q:q")
	b.wantIDs(b.claim("q", 1), "next")
}

func groupsThatShareAPrefixAreApart(b *bundle) {
	b.limit(task.GroupsScope, "", 1)
	groups := []string{"a", "a.b", "a+", "a-", "a/", "a:1", "a@", "a=", "aa", "A", "a0"}
	for _, round := range []string{"first", "second"} {
		for _, g := range groups {
			b.enqueue(task.Spec{ID: g + "-" + round, Group: g})
		}
	}
	running := b.claim(task.DefaultQueue, 99)
	if len(running) != len(groups) {
		b.Fatalf("%d of %d groups started", len(running), len(groups))
	}
	for i, g := range groups {
		b.accept(succeed(running[i]))
		b.wantIDs(b.claim(task.DefaultQueue, 99), g+"-second")
	}
}
