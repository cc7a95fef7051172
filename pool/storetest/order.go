package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var orderRules = []rule{
	{"FirstInFirstOutInsideAPriority", firstInFirstOutInsideAPriority},
	{"BatchOfUnlikeTasksKeepsItsOrder", batchOfUnlikeTasks},
	{"OrderHoldsNearTheEndOfTheSequence", orderHoldsNearTheEndOfTheSequence},
	{"BestPriorityStartsFirst", bestPriorityStartsFirst},
	{"UrgentNewcomerIsTheNextStart", urgentNewcomerIsTheNextStart},
	{"RetryKeepsItsPosition", retryKeepsItsPosition},
	{"ReleaseKeepsItsPosition", releaseKeepsItsPosition},
	{"LossKeepsItsPosition", lossKeepsItsPosition},
	{"PauseKeepsTheOrder", pauseKeepsTheOrder},
	{"EntriesThatCannotStartDoNotDisturbTheOrder", entriesThatCannotStartDoNotDisturbTheOrder},
}

// drain starts and finishes what waits, one by one, and returns the order.
func (b *bundle) drain(queue string) []string {
	b.Helper()
	var order []string
	var reports []task.Report
	for {
		got := b.send(task.Exchange{Reports: reports, Claims: []task.Claim{{Queue: queue, N: 1}}})
		for _, v := range got.Verdicts {
			if v != task.Accepted {
				b.Fatalf("verdict %s", v)
			}
		}
		ts := tasks(got)
		if len(ts) == 0 {
			return order
		}
		order = append(order, ts[0].ID)
		reports = succeedAll(ts)
	}
}

func (b *bundle) wantOrder(got []string, want ...string) {
	b.Helper()
	if d := cmp.Diff(want, got); d != "" {
		b.Error("started in another order (-want +got):\n", d)
	}
}

func firstInFirstOutInsideAPriority(b *bundle) {
	// Ids that would sort otherwise, singly and in batches.
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("%d-%d", 9-i%10, i))
	}
	for _, id := range want[:20] {
		b.enqueue(task.Spec{ID: id})
	}
	specs := make([]task.Spec, 40)
	for i, id := range want[20:] {
		specs[i] = task.Spec{ID: id}
	}
	b.enqueueAll(specs...)
	b.wantOrder(b.drain(task.DefaultQueue), want...)
}

func batchOfUnlikeTasks(b *bundle) {
	b.limit(task.GroupScope, "g", 99)
	specs := make([]task.Spec, 60)
	for i := range specs {
		s := task.Spec{Kind: fmt.Sprint("k", i%3)}
		switch i % 5 {
		case 0:
			s.ID = fmt.Sprintf("%d-%d", 9-i%10, i)
		case 1:
			s.Group = "g"
		case 2:
			s.Headers = map[string]string{"h": "v"}
		case 3:
			s.TTL = time.Hour
		}
		specs[i] = s
	}
	var want []string
	for _, r := range b.enqueueAll(specs...) {
		want = append(want, r.ID)
	}
	b.wantOrder(b.drain(task.DefaultQueue), want...)
}

func orderHoldsNearTheEndOfTheSequence(b *bundle) {
	b.SetSequence(b, 1<<45-70)
	for _, priority := range []int8{-128, 127, 0} {
		var want []string
		for i := range 20 {
			id := fmt.Sprintf("%d-%d", 9-i%10, i)
			want = append(want, id)
			b.enqueue(task.Spec{ID: id, Priority: priority})
		}
		b.wantOrder(b.drain(task.DefaultQueue), want...)
	}
}

func bestPriorityStartsFirst(b *bundle) {
	priorities := []int8{0, 127, -128, 1, -1, 126, -127, 0, 127, -128}
	type tk struct {
		id       string
		priority int8
	}
	var tasks []tk
	for i, p := range priorities {
		id := fmt.Sprint("t", i)
		tasks = append(tasks, tk{id, p})
		b.enqueue(task.Spec{ID: id, Priority: p})
	}
	slices.SortStableFunc(tasks, func(x, y tk) int { return int(y.priority) - int(x.priority) })
	var want []string
	for _, t := range tasks {
		want = append(want, t.id)
	}
	half := b.claim(task.DefaultQueue, 5)
	b.wantIDs(half, want[:5]...)
	b.wantIDs(b.claim(task.DefaultQueue, 5), want[5:]...)
}

func urgentNewcomerIsTheNextStart(b *bundle) {
	for i := range 5 {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	b.wantIDs(b.claim(task.DefaultQueue, 2), "t0", "t1")
	b.enqueue(task.Spec{ID: "urgent", Priority: 1})
	b.wantIDs(b.claim(task.DefaultQueue, 2), "urgent", "t2")
}

// threeAndBack starts the second of three tasks by priority, lets back give it
// back, and checks that it starts before later tasks and after better ones.
func (b *bundle) threeAndBack(spec task.Spec, back func(t *task.Task)) {
	b.Helper()
	spec.ID, spec.Priority = "mine", 5
	t := b.start(spec)
	later := spec
	later.ID = "later"
	b.enqueue(later)
	back(t)
	better := spec
	better.ID, better.Priority = "better", 6
	b.enqueue(better)
	b.wantOrder(b.drain(task.DefaultQueue), "better", "mine", "later")
}

func retryKeepsItsPosition(b *bundle) {
	b.threeAndBack(task.Spec{}, func(t *task.Task) { b.accept(failIn(t, 0)) })
	b.threeAndBack(task.Spec{}, func(t *task.Task) {
		b.accept(failIn(t, time.Millisecond))
		b.passes(time.Millisecond)
	})
	b.limit(task.GroupScope, "g", 2)
	b.threeAndBack(task.Spec{Group: "g"}, func(t *task.Task) { b.accept(failIn(t, 0)) })
	b.threeAndBack(task.Spec{Group: "g"}, func(t *task.Task) {
		b.accept(failIn(t, time.Millisecond))
		b.passes(time.Millisecond)
	})
}

func releaseKeepsItsPosition(b *bundle) {
	b.threeAndBack(task.Spec{}, func(t *task.Task) { b.accept(release(t, 0)) })
	b.limit(task.GroupScope, "g", 1)
	b.threeAndBack(task.Spec{Group: "g"}, func(t *task.Task) { b.accept(release(t, 0)) })
	b.threeAndBack(task.Spec{Group: "g"}, func(t *task.Task) {
		b.accept(release(t, time.Millisecond))
		b.passes(time.Millisecond)
	})
}

func lossKeepsItsPosition(b *bundle) {
	for _, group := range []string{"", "g"} {
		if group != "" {
			b.limit(task.GroupScope, group, 1)
		}
		b.threeAndBack(task.Spec{Group: group}, func(t *task.Task) {
			b.lose(t)
			b.wantState(t.ID, task.Waiting)
		})
	}
}

func pauseKeepsTheOrder(b *bundle) {
	b.enqueue(task.Spec{ID: "a"})
	b.pause(task.QueueScope, task.DefaultQueue, true)
	b.enqueue(task.Spec{ID: "b"})
	b.enqueue(task.Spec{ID: "c", Priority: 1})
	b.enqueue(task.Spec{ID: "d", Delay: time.Millisecond})
	b.passes(time.Millisecond)
	b.maintain()
	b.wantState("d", task.Waiting)
	b.wantIDs(b.claim(task.DefaultQueue, 9))
	b.pause(task.QueueScope, task.DefaultQueue, false)
	b.wantIDs(b.claim(task.DefaultQueue, 9), "c", "a", "b", "d")
}

// A claim that skips tasks fills up with the next best ones, whatever their group.
func entriesThatCannotStartDoNotDisturbTheOrder(b *bundle) {
	b.limit(task.GroupScope, "g", 2)
	b.limit(task.GroupScope, "full", 1)
	b.start(task.Spec{ID: "holder", Group: "full"})
	b.limit(task.GroupScope, "full", 0)
	b.enqueue(task.Spec{ID: "g1", Group: "g"})
	b.enqueue(task.Spec{ID: "blocked", Group: "full"})
	b.enqueue(task.Spec{ID: "late", TTL: time.Millisecond})
	b.enqueue(task.Spec{ID: "next"})
	b.enqueue(task.Spec{ID: "g2", Group: "g"})
	b.enqueue(task.Spec{ID: "last"})
	b.limit(task.GroupScope, "full", 1)
	b.passes(time.Millisecond)
	b.wantIDs(b.claim(task.DefaultQueue, 2), "g1", "next")
	b.wantIDs(b.claim(task.DefaultQueue, 2), "g2", "last")
}
