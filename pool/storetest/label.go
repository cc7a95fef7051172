package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var labelRules = []rule{
	{"TaskRunsOnlyWhereAllItsLabelsAre", taskRunsOnlyWhereAllItsLabelsAre},
	{"ExclusiveReplicaTakesOnlyTasksWithLabels", exclusiveTakesOnlyLabelled},
	{"TaskRunsOnTheReplicaOrHostThatItNames", taskRunsOnTheReplicaOrHostThatItNames},
	{"LinesAreMergedByPosition", linesAreMergedByPosition},
	{"ManyLinesAreAllServed", manyLinesAreAllServed},
	{"OwnLinesOfAReplicaLeavePlacesToItsClass", ownLinesLeavePlaces},
	{"TasksNoReplicaCanTakeDelayNoOther", unclaimableDelaysNoOther},
	{"ReplicaThatJoinsLaterFindsTheLines", laterReplicaFindsTheLines},
	{"LineIsSignalledToReplicasWithItsLabels", lineIsSignalled},
	{"EveryPathThatMakesALineClaimable", everyPathThatMakesALineClaimable},
	{"RoomUnderALimitIsSignalledToLines", roomIsSignalledToLines},
	{"RoomIsSignalledToEachOfManyLines", roomIsSignalledToManyLines},
	{"LimitsHoldOverLines", limitsHoldOverLines},
	{"GroupLimitHoldsOverLines", groupLimitHoldsOverLines},
	{"BlockedHeadOfALineStarvesNoOtherLine", blockedHeadStarvesNoOtherLine},
	{"CapOfAQueueCountsAllLines", capCountsAllLines},
	{"TaskWithLabelsReturnsToItsLine", labelledTaskReturnsToItsLine},
	{"JobIsTakenOverWhereTheLabelsAre", jobIsTakenOverWhereTheLabelsAre},
	{"NoHandlerWhereTheLabelsAreEndsTheTask", noHandlerWhereTheLabelsAre},
	{"StatsAndListsHaveAllLines", statsAndListsHaveAllLines},
	{"ListTakesLabels", listTakesLabels},
	{"ChildrenAndTheTaskThatFollowsHaveTheirLabels", childrenHaveLabels},
	{"LineWithoutTasksLeavesNoTrace", emptyLineLeavesNoTrace},
	{"SavesNeedNoLabels", savesNeedNoLabels},
}

// labelled joins a replica of queue q with labels.
func (fx *fixture) labelled(replica string, labels ...string) {
	fx.Helper()
	fx.joinLabelled(task.Registration{Replica: replica, Labels: labels})
}

func (fx *fixture) joinLabelled(r task.Registration) {
	fx.Helper()
	r.Lease = time.Hour
	r.Queues = map[string]task.QueueConfig{"q": {Workers: 9}}
	if r.Kinds == nil {
		r.Kinds = map[string]task.Policy{"k": {}}
	}
	fx.join(r)
	fx.serving = append(fx.serving, r.Replica)
}

// put enqueues a task for queue q and returns its id.
func (fx *fixture) put(id string, labels ...string) string {
	fx.Helper()
	return fx.enqueue(task.Spec{ID: id, Queue: "q", Labels: labels})
}

// take claims up to n tasks of queue q for a replica.
func (fx *fixture) take(replica string, n int) []*task.Task {
	fx.Helper()
	return fx.claimAs(task.Exchange{Replica: replica}, "q", n)
}

func taskRunsOnlyWhereAllItsLabelsAre(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("ab", "ab", "zone=eu")
	fx.labelled("a", "a", "zone=eu")
	fx.put("1", "a")
	fx.put("2", "zone=eu", "a")
	fx.put("3", "a", "zone=eu", "a") // the same set as 2
	fx.put("4", "a", "b")
	fx.put("5", "A")
	fx.wantIDs(fx.take("plain", 9))
	fx.wantIDs(fx.take("ab", 9))
	got := fx.take("a", 9)
	fx.wantIDs(got, "1", "2", "3")
	if d := cmp.Diff([]string{"a", "zone=eu"}, got[2].Labels); d != "" {
		fx.Error(d)
	}
	if n := fx.stats().Waiting; n != 2 {
		fx.Errorf("%d tasks wait", n)
	}
	if _, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "k", Queue: "q", Labels: slices.Repeat([]string{"x"}, 9)}}); err == nil {
		fx.Error("nine labels were accepted")
	}
}

func exclusiveTakesOnlyLabelled(fx *fixture) {
	fx.put("before")
	fx.joinLabelled(task.Registration{Replica: "x", Labels: []string{"gpu"}, Exclusive: true})
	fx.put("1")
	fx.put("2", "gpu")
	fx.wantIDs(fx.take("x", 9), "2")
	fx.wantIDs(fx.take("x", 9))
	if got := fx.send(task.Exchange{Replica: "x", Idle: true}); len(got.Ready) > 0 {
		fx.Errorf("ready for an exclusive replica: %v", got.Ready)
	}
	fx.put("3")
	if s := fx.signalledFor("q"); s != nil {
		fx.Errorf("signalled for a task without labels: %v", s)
	}
	fx.labelled("plain")
	fx.wantIDs(fx.take("plain", 9), "before", "1", "3")
}

func taskRunsOnTheReplicaOrHostThatItNames(fx *fixture) {
	fx.put("early", "host=h1", "gpu")
	for _, r := range []string{"r1", "r2", "r3"} {
		fx.joinLabelled(task.Registration{Replica: r, Labels: []string{"gpu"}, Host: map[string]string{"r1": "h1", "r2": "h1", "r3": "h3"}[r]})
	}
	if got := fx.send(task.Exchange{Replica: "r2", Idle: true}); !slices.Contains(got.Ready, "q") {
		fx.Errorf("ready for r2: %v", got.Ready)
	}
	fx.wantIDs(fx.take("r2", 9), "early")
	fx.becomeIdle("r3", "r2")
	fx.put("one", "id=r3", "gpu")
	fx.put("host", "host=h1")
	fx.put("both", "host=h1", "id=r2")
	fx.put("neither", "host=h3", "id=r2")
	fx.put("longer", "id=r33")
	if d := cmp.Diff([]string{"r2", "r3"}, slices.Sorted(slices.Values(fx.signalledFor("q")))); d != "" {
		fx.Errorf("signalled (-want +got):\n%s", d)
	}
	fx.wantIDs(fx.take("r3", 9), "one")
	fx.wantIDs(fx.take("r2", 9), "host", "both")
	fx.wantIDs(fx.take("r1", 9))
	fx.noError(fx.Store.Leave(fx.ctx, "r2"))
	fx.put("late", "id=r2")
	fx.wantIDs(fx.take("r1", 9))
	fx.stopAll("late", "neither", "longer")
}

func linesAreMergedByPosition(fx *fixture) {
	fx.labelled("r", "a", "b")
	lines := [][]string{nil, {"a"}, {"b"}, {"a", "b"}}
	var want []string
	for _, priority := range []int8{0, 5} {
		var ids []string
		for i := range 60 {
			id := fmt.Sprintf("%d-%d", priority, i)
			fx.enqueue(task.Spec{ID: id, Queue: "q", Priority: priority, Labels: lines[i*i%7%4]})
			ids = append(ids, id)
		}
		want = append(ids, want...)
	}
	fx.put("other", "c")
	for _, n := range []int{1, 7, 33, 79} {
		fx.wantIDs(fx.take("r", n), want[:n]...)
		want = want[n:]
	}
	fx.stop("other")
}

func manyLinesAreAllServed(fx *fixture) {
	var labels []string
	for i := range task.MaxReplicaLabels {
		labels = append(labels, fmt.Sprint("l", i))
	}
	fx.labelled("r", labels...)
	n := 0
	for i := range labels {
		for j := range i {
			fx.put("", labels[i], labels[j])
			n++
		}
	}
	fx.put("")
	if got := len(fx.take("r", n+2)); got != n+1 {
		fx.Errorf("%d of %d tasks started", got, n+1)
	}
}

// A claim takes tasks from 16 lines. Those of the class get half of them, whatever the replica has of its own.
func ownLinesLeavePlaces(fx *fixture) {
	labels := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	fx.labelled("r", labels...)
	for i := range 28 {
		fx.put("", "id=r", labels[i%8], labels[i%7])
	}
	for i, label := range labels {
		fx.enqueue(task.Spec{ID: label, Queue: "q", Priority: int8(100 - i), Labels: []string{label}})
	}
	for _, label := range labels {
		fx.wantIDs(fx.take("r", 1), label)
	}
	fx.put("")
	if n := len(fx.take("r", 99)) + len(fx.take("r", 99)); n != 29 {
		fx.Errorf("%d of 29 tasks started", n)
	}
}

func unclaimableDelaysNoOther(fx *fixture) {
	n := 300
	if fx.Full && !fx.Emulated {
		n = 10_000
	}
	fx.labelled("r", "a")
	var specs []task.Spec
	for i := range n {
		specs = append(specs, task.Spec{Queue: "q", Priority: 9, Labels: []string{"nowhere", fmt.Sprint("x", i)}})
	}
	for page := range slices.Chunk(specs, 100) {
		fx.enqueueAll(page...)
	}
	fx.put("plain")
	fx.put("a", "a")
	fx.wantIDs(fx.take("r", 9), "plain", "a")
	if got := fx.send(task.Exchange{Replica: "r", Idle: true}); len(got.Ready) > 0 {
		fx.Errorf("ready: %v", got.Ready)
	}
	if s := fx.stats(); s.Waiting != n || len(s.Queues[0].Lines) != 16 || s.Queues[0].MoreLines != n-16 {
		fx.Errorf("%d tasks wait, %d and %d lines", s.Waiting, len(s.Queues[0].Lines), s.Queues[0].MoreLines)
	}
}

func laterReplicaFindsTheLines(fx *fixture) {
	fx.labelled("plain")
	for i := range 600 { // more than one page
		fx.put("", "gpu", fmt.Sprint("x", i%300))
	}
	fx.put("mine", "gpu")
	fx.put("no", "cpu")
	fx.labelled("gpu", "gpu")
	if got := fx.send(task.Exchange{Replica: "gpu", Idle: true}); !slices.Contains(got.Ready, "q") {
		fx.Errorf("ready for the new replica: %v", got.Ready)
	}
	fx.wantIDs(fx.take("gpu", 9), "mine")
	fx.becomeIdle("gpu")
	fx.labelled("more", "gpu", "x7")
	if n := len(fx.take("more", 9)); n != 2 {
		fx.Errorf("%d tasks of a line of two", n)
	}
	fx.noError(fx.Store.Leave(fx.ctx, "gpu"))
	fx.put("orphan", "gpu")
	fx.labelled("again", "gpu")
	fx.wantIDs(fx.take("again", 9), "orphan")
}

// A list by labels reads the tasks with labels only, in every state.
func listTakesLabels(fx *fixture) {
	fx.labelled("r1", "a", "b")
	ab := []string{"a", "b"}
	fx.enqueue(task.Spec{ID: "runs", Queue: "q", Labels: ab, Priority: 9})
	fx.wantIDs(fx.take("r1", 1), "runs")
	fx.enqueueAll(task.Spec{ID: "later", Queue: "q", Labels: ab, Delay: time.Hour}, task.Spec{ID: "ended", Queue: "q", Labels: ab, Retain: ptr(time.Hour)})
	fx.stop("ended")
	fx.put("ab", ab...)
	fx.put("a", "a")
	fx.put("aa", "aa", "b")
	fx.put("plain")
	fx.enqueue(task.Spec{ID: "grouped", Queue: "q", Group: "g", Labels: ab})
	for _, c := range []struct {
		f    task.Filter
		want []string
		read int
	}{
		{task.Filter{Labels: []string{"b", "a"}}, []string{"later", "ab", "grouped", "runs", "ended"}, 7},
		{task.Filter{Labels: []string{"a"}, States: []task.State{task.Waiting}}, []string{"ab", "a", "grouped"}, 4},
		{task.Filter{Labels: []string{"a"}, Groups: []string{"g"}}, []string{"grouped"}, 7},
		{task.Filter{Labels: []string{"a", "nowhere"}}, []string{}, 7},
	} {
		read := 0
		c.f.Progress = func(n int) { read = n }
		if d := cmp.Diff(c.want, fx.list(c.f)); d != "" {
			fx.Errorf("%v (-want +got):\n%s", c.f.Labels, d)
		}
		if read > c.read {
			fx.Errorf("%v: %d tasks were read, want at most %d", c.f.Labels, read, c.read)
		}
	}
}

// The children of a parent have its labels. The task that follows has its own.
func childrenHaveLabels(fx *fixture) {
	fx.labelled("plain")
	fx.labelled("gpu", "gpu")
	fx.enqueue(task.Spec{ID: "p", Queue: "q", Labels: []string{"gpu"}, Shards: 2, Retain: ptr(time.Hour),
		Then: &task.Spec{ID: "next", Kind: "k", Queue: "q", Labels: []string{"gpu"}}})
	fx.spread()
	fx.wantIDs(fx.take("plain", 9))
	children := fx.take("gpu", 9)
	fx.wantIDs(children, "p/0", "p/1")
	for _, t := range children {
		fx.accept(succeed(t))
	}
	fx.wantState("p", task.Succeeded)
	fx.wantIDs(fx.take("plain", 9))
	fx.wantIDs(fx.take("gpu", 9), "next")
}
