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

// drain starts and finishes the waiting tasks one by one and returns their order.
func (fx *fixture) drain(queue string) []string {
	fx.Helper()
	var order []string
	var reports []task.Report
	for {
		got := fx.send(task.Exchange{Reports: reports, Claims: []task.Claim{{Queue: queue, N: 1}}})
		for _, v := range got.Verdicts {
			if v != task.Accepted {
				fx.Fatalf("verdict %s", v)
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

func (fx *fixture) wantOrder(got []string, want ...string) {
	fx.Helper()
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("started in another order (-want +got):\n", d)
	}
}

func firstInFirstOutInsideAPriority(fx *fixture) {
	// Ids in another alphabetical order, one by one and in batches.
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("%d-%d", 9-i%10, i))
	}
	for _, id := range want[:20] {
		fx.enqueue(task.Spec{ID: id})
	}
	specs := make([]task.Spec, 40)
	for i, id := range want[20:] {
		specs[i] = task.Spec{ID: id}
	}
	fx.enqueueAll(specs...)
	fx.wantOrder(fx.drain(task.DefaultQueue), want...)
}

func batchOfUnlikeTasks(fx *fixture) {
	fx.limit(task.GroupScope, "g", 99)
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
	for _, r := range fx.enqueueAll(specs...) {
		want = append(want, r.ID)
	}
	fx.wantOrder(fx.drain(task.DefaultQueue), want...)
}

func orderHoldsNearTheEndOfTheSequence(fx *fixture) {
	fx.SetSequence(fx, 1<<45-70)
	for _, priority := range []int8{-128, 127, 0} {
		var want []string
		for i := range 20 {
			id := fmt.Sprintf("%d-%d", 9-i%10, i)
			want = append(want, id)
			fx.enqueue(task.Spec{ID: id, Priority: priority})
		}
		fx.wantOrder(fx.drain(task.DefaultQueue), want...)
	}
}

func bestPriorityStartsFirst(fx *fixture) {
	priorities := []int8{0, 127, -128, 1, -1, 126, -127, 0, 127, -128}
	type tk struct {
		id       string
		priority int8
	}
	var tasks []tk
	for i, p := range priorities {
		id := fmt.Sprint("t", i)
		tasks = append(tasks, tk{id, p})
		fx.enqueue(task.Spec{ID: id, Priority: p})
	}
	slices.SortStableFunc(tasks, func(x, y tk) int { return int(y.priority) - int(x.priority) })
	var want []string
	for _, t := range tasks {
		want = append(want, t.id)
	}
	half := fx.claim(task.DefaultQueue, 5)
	fx.wantIDs(half, want[:5]...)
	fx.wantIDs(fx.claim(task.DefaultQueue, 5), want[5:]...)
}

func urgentNewcomerIsTheNextStart(fx *fixture) {
	for i := range 5 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "t0", "t1")
	fx.enqueue(task.Spec{ID: "urgent", Priority: 1})
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "urgent", "t2")
}

// checkPosition starts a task, returns it to the queue with back, and checks that it
// starts before tasks that were enqueued later and after tasks of a higher priority.
func (fx *fixture) checkPosition(spec task.Spec, back func(t *task.Task)) {
	fx.Helper()
	spec.ID, spec.Priority = "mine", 5
	t := fx.start(spec)
	later := spec
	later.ID = "later"
	fx.enqueue(later)
	back(t)
	better := spec
	better.ID, better.Priority = "better", 6
	fx.enqueue(better)
	fx.wantOrder(fx.drain(task.DefaultQueue), "better", "mine", "later")
}

func retryKeepsItsPosition(fx *fixture) {
	fx.checkPosition(task.Spec{}, func(t *task.Task) { fx.accept(failIn(t, 0)) })
	fx.checkPosition(task.Spec{}, func(t *task.Task) {
		fx.accept(failIn(t, time.Millisecond))
		fx.waitPast(time.Millisecond)
	})
	fx.limit(task.GroupScope, "g", 2)
	fx.checkPosition(task.Spec{Group: "g"}, func(t *task.Task) { fx.accept(failIn(t, 0)) })
	fx.checkPosition(task.Spec{Group: "g"}, func(t *task.Task) {
		fx.accept(failIn(t, time.Millisecond))
		fx.waitPast(time.Millisecond)
	})
}

func releaseKeepsItsPosition(fx *fixture) {
	fx.checkPosition(task.Spec{}, func(t *task.Task) { fx.accept(release(t, 0)) })
	fx.limit(task.GroupScope, "g", 1)
	fx.checkPosition(task.Spec{Group: "g"}, func(t *task.Task) { fx.accept(release(t, 0)) })
	fx.checkPosition(task.Spec{Group: "g"}, func(t *task.Task) {
		fx.accept(release(t, time.Millisecond))
		fx.waitPast(time.Millisecond)
	})
}

func lossKeepsItsPosition(fx *fixture) {
	for _, group := range []string{"", "g"} {
		if group != "" {
			fx.limit(task.GroupScope, group, 1)
		}
		fx.checkPosition(task.Spec{Group: group}, func(t *task.Task) {
			fx.loseLeases(t)
			fx.wantState(t.ID, task.Waiting)
		})
	}
}

func pauseKeepsTheOrder(fx *fixture) {
	fx.enqueue(task.Spec{ID: "a"})
	fx.pause(task.QueueScope, task.DefaultQueue, true)
	fx.enqueue(task.Spec{ID: "b"})
	fx.enqueue(task.Spec{ID: "c", Priority: 1})
	fx.enqueue(task.Spec{ID: "d", Delay: time.Millisecond})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantState("d", task.Waiting)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.pause(task.QueueScope, task.DefaultQueue, false)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "c", "a", "b", "d")
}

// A claim that skips tasks continues with the next ones in order, of any group.
func entriesThatCannotStartDoNotDisturbTheOrder(fx *fixture) {
	fx.limit(task.GroupScope, "g", 2)
	fx.limit(task.GroupScope, "full", 1)
	fx.start(task.Spec{ID: "holder", Group: "full"})
	fx.limit(task.GroupScope, "full", 0)
	fx.enqueue(task.Spec{ID: "g1", Group: "g"})
	fx.enqueue(task.Spec{ID: "blocked", Group: "full"})
	fx.enqueue(task.Spec{ID: "late", TTL: time.Millisecond})
	fx.enqueue(task.Spec{ID: "next"})
	fx.enqueue(task.Spec{ID: "g2", Group: "g"})
	fx.enqueue(task.Spec{ID: "last"})
	fx.limit(task.GroupScope, "full", 1)
	fx.waitPast(time.Millisecond)
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "g1", "next")
	fx.wantIDs(fx.claim(task.DefaultQueue, 2), "g2", "last")
}
