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
	{"OwnLimitOfAGroupOverridesTheDefault", ownLimitOverridesTheDefault},
	{"TasksBehindAHeadThatCanStartAreNotHeld", tasksBehindAHeadThatCanStartAreNotHeld},
	{"LimitSetOnWaitingTasksHolds", limitSetOnWaitingTasksHolds},
	{"StopOfAGroupsHeadUnblocksTheNext", stoppedHeadUnblocksTheNext},
	{"UrgentTaskOfAFullGroupIsItsNextStart", urgentTaskOfAFullGroup},
	{"FreedGroupStartsInTheQueueThatWaits", freedGroupStartsInTheQueueThatWaits},
	{"GroupsThatShareAPrefixAreApart", groupsThatShareAPrefixAreApart},
}

func groupLimitIsExact(fx *fixture) {
	for _, limit := range []int{1, 2, 7} {
		g := fmt.Sprint("g", limit)
		fx.limit(task.GroupScope, g, limit)
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("%s-%d", g, i))
			fx.enqueue(task.Spec{ID: want[i], Queue: g, Group: g})
		}
		running := fx.claim(g, 20)
		fx.wantIDs(running, want[:limit]...)
		fx.wantIDs(fx.claim(g, 20))
		for next := limit; next < 20; next++ {
			fx.accept(succeed(running[0]))
			got := fx.claim(g, 20)
			fx.wantIDs(got, want[next])
			running = append(running[1:], got...)
		}
	}
}

func groupLimitHoldsOverQueues(fx *fixture) {
	fx.limit(task.GroupScope, "g", 2)
	for i := range 4 {
		fx.enqueueAll(task.Spec{ID: fmt.Sprint("p", i), Queue: "p", Group: "g"}, task.Spec{ID: fmt.Sprint("q", i), Queue: "q", Group: "g"})
	}
	got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: "p", N: 1}, {Queue: "q", N: 4}}})
	fx.wantIDs(tasks(got, "p"), "p0")
	fx.wantIDs(tasks(got, "q"), "q0")
	fx.wantIDs(fx.claim("p", 4))
	fx.accept(succeed(tasks(got, "q")[0]))
	fx.wantIDs(fx.claim("p", 4), "p1")
	fx.wantIDs(fx.claim("q", 4))
}

func blockedGroupDelaysNoOther(fx *fixture) {
	fx.limit(task.GroupsScope, "", 1)
	for i := range 50 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("a", i), Group: "a", Priority: 9})
	}
	fx.enqueueAll(task.Spec{ID: "b0", Group: "b"}, task.Spec{ID: "free"}, task.Spec{ID: "b1", Group: "b"})
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "a0", "b0", "free")
}

func manyBlockedGroupsDelayNoOther(fx *fixture) {
	const n = 300
	fx.limit(task.GroupsScope, "", 1)
	var specs []task.Spec
	for i := range n {
		g := fmt.Sprint("g", i)
		specs = append(specs, task.Spec{Group: g}, task.Spec{Group: g}, task.Spec{Group: g})
	}
	fx.enqueueAll(specs...)
	if got := len(fx.claim(task.DefaultQueue, 3*n)); got != n {
		fx.Fatalf("%d of %d groups started", got, n)
	}
	fx.enqueue(task.Spec{ID: "last", Priority: -128})
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "last")
}

func bestOfAGroupStartsFirst(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	t := fx.start(task.Spec{ID: "holder", Group: "g"})
	fx.enqueue(task.Spec{ID: "low", Group: "g", Priority: -1})
	fx.enqueue(task.Spec{ID: "plain", Group: "g"})
	fx.enqueue(task.Spec{ID: "high", Group: "g", Priority: 127})
	fx.enqueue(task.Spec{ID: "high2", Group: "g", Priority: 127})
	fx.accept(succeed(t))
	fx.enqueue(task.Spec{ID: "top", Group: "g", Priority: 127})
	fx.wantOrder(fx.drain(task.DefaultQueue), "high", "high2", "top", "plain", "low")
	// A task with a higher priority is enqueued while the head of its group waits.
	for i, p := range []int8{-5, 0, 3, -2, 3, 100} {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g", Priority: p})
	}
	fx.wantOrder(fx.drain(task.DefaultQueue), "t5", "t2", "t4", "t1", "t3", "t0")
}

func ownLimitOverridesTheDefault(fx *fixture) {
	fx.limit(task.GroupsScope, "", 1)
	fx.limit(task.GroupScope, "big", 3)
	for i := range 4 {
		fx.enqueueAll(task.Spec{ID: fmt.Sprint("b", i), Group: "big"}, task.Spec{ID: fmt.Sprint("s", i), Group: "small"})
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "b0", "s0", "b1", "b2")
	fx.wantGroups(nil, 1, task.GroupInfo{Name: "big", Limit: 3, Own: true, Running: 3, Held: 1})
	fx.wantGroups([]string{"small", "none", "big", "small"}, 1,
		task.GroupInfo{Name: "big", Limit: 3, Own: true, Running: 3, Held: 1},
		task.GroupInfo{Name: "none", Limit: 1},
		task.GroupInfo{Name: "small", Limit: 1, Running: 1, Held: 3})
	fx.limit(task.GroupScope, "big", 0)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
}

func (fx *fixture) wantGroups(names []string, byDefault int, want ...task.GroupInfo) {
	fx.Helper()
	def, got, err := fx.Store.Groups(fx.ctx, names...)
	fx.noError(err)
	if def != byDefault {
		fx.Errorf("default limit %d, want %d", def, byDefault)
	}
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("groups (-want +got):\n", d)
	}
}

func tasksBehindAHeadThatCanStartAreNotHeld(fx *fixture) {
	fx.limit(task.GroupScope, "g", 2)
	fx.enqueueAll(task.Spec{Group: "g"}, task.Spec{Group: "g"}, task.Spec{Group: "g", Queue: "q"}, task.Spec{Group: "g", Queue: "q"})
	fx.wantGroups(nil, 0, task.GroupInfo{Name: "g", Limit: 2, Own: true})
	fx.claim("q", 2)
	fx.wantGroups(nil, 0, task.GroupInfo{Name: "g", Limit: 2, Own: true, Running: 2, Held: 2})
	fx.limit(task.GroupScope, "g", 0)
	fx.wantGroups([]string{"g"}, 0, task.GroupInfo{Name: "g", Running: 2})
	fx.wantGroups(nil, 0)
}

func limitSetOnWaitingTasksHolds(fx *fixture) {
	for i := range 30 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g"})
	}
	fx.enqueue(task.Spec{ID: "other"})
	fx.limit(task.GroupScope, "g", 2)
	running := fx.claim(task.DefaultQueue, 3)
	fx.wantIDs(running, "t0", "t1", "other")
	for next := 2; next < 30; next++ {
		fx.accept(succeed(running[0]))
		got := fx.claim(task.DefaultQueue, 9)
		fx.wantIDs(got, fmt.Sprint("t", next))
		running = append([]*task.Task{running[1]}, got...)
	}
}

func stoppedHeadUnblocksTheNext(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	for i := range 5 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i), Group: "g"})
	}
	fx.stop("t0") // the head
	fx.stop("t2") // behind it
	t := fx.claim(task.DefaultQueue, 9)
	fx.wantIDs(t, "t1")
	fx.stop("t3")
	fx.accept(release(t[0], time.Hour))
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "t4")
}

// The group is full because of another queue. After the head of the group in this queue,
// a task with a higher priority is enqueued.
func urgentTaskOfAFullGroup(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueue(task.Spec{ID: "plain", Queue: "q", Group: "g"})
	t := fx.start(task.Spec{ID: "holder", Queue: "p", Group: "g"})
	fx.enqueue(task.Spec{ID: "urgent", Queue: "q", Group: "g", Priority: 1})
	fx.accept(succeed(t))
	fx.enqueue(task.Spec{ID: "other", Queue: "q"})
	fx.wantOrder(fx.drain("q"), "urgent", "plain", "other")
}

func freedGroupStartsInTheQueueThatWaits(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	t := fx.start(task.Spec{ID: "holder", Queue: "p", Group: "g"})
	fx.enqueue(task.Spec{ID: "next", Queue: "q", Group: "g"})
	fx.wantIDs(fx.claim("q", 1))
	fx.serve("w", "q")
	fx.becomeIdle("w")
	got := fx.send(task.Exchange{Reports: []task.Report{succeed(t)}, Claims: []task.Claim{{Queue: "p", N: 1}}})
	if got.Verdicts[0] != task.Accepted || len(tasks(got)) != 0 {
		fx.Errorf("verdict %s, claimed %v", got.Verdicts[0], ids(tasks(got)))
	}
	fx.wantSignals("the group has a free slot", "w q:q")
	fx.wantIDs(fx.claim("q", 1), "next")
}

func groupsThatShareAPrefixAreApart(fx *fixture) {
	fx.limit(task.GroupsScope, "", 1)
	groups := []string{"a", "a.b", "a+", "a-", "a/", "a:1", "a@", "a=", "aa", "A", "a0"}
	for _, round := range []string{"first", "second"} {
		for _, g := range groups {
			fx.enqueue(task.Spec{ID: g + "-" + round, Group: g})
		}
	}
	running := fx.claim(task.DefaultQueue, 99)
	if len(running) != len(groups) {
		fx.Fatalf("%d of %d groups started", len(running), len(groups))
	}
	for i, g := range groups {
		fx.accept(succeed(running[i]))
		fx.wantIDs(fx.claim(task.DefaultQueue, 99), g+"-second")
	}
}
