package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of call numbers and request sequences.
var callRules = []rule{
	{"RepeatedCallGetsTheSameAnswer", repeatedCall},
	{"RepeatedCallLeavesOutEndedAttempts", repeatedCallLeavesOut},
	{"RepeatedCallClaimsNothingNew", repeatedCallClaimsNothingNew},
	{"RepeatedReportsAreWrittenOnce", repeatedReportsAreWrittenOnce},
	{"LowerCallNumberFailsAndChangesNothing", lowerCallNumber},
	{"SequencesDoNotDisturbEachOther", sequences},
	{"EachReplicaHasItsOwnCallNumbers", callNumbersPerReplica},
}

// answer formats everything that a repeated call must return again.
func answer(got task.Exchanged) string {
	s := fmt.Sprintf("verdicts %v, short %v", got.Verdicts, got.Short)
	for _, c := range got.Claimed {
		s += fmt.Sprintf("\n%s fence %d started %d:", c.Queue, c.Fence, c.Started.UnixMilli())
		for _, t := range c.Tasks {
			s += fmt.Sprintf(" [%s %s attempt %d v%d group %q payload %q progress %q headers %v failures %d error %q]",
				t.ID, t.Kind, t.Attempt, t.Version, t.Group, t.Payload, t.Progress, t.Headers, t.Failures, t.Error)
		}
	}
	return s
}

// repeat repeats an exchange and compares the answers.
func (fx *fixture) repeat(x task.Exchange, want task.Exchanged) task.Exchanged {
	fx.Helper()
	got := fx.send(x)
	if d := cmp.Diff(answer(want), answer(got)); d != "" {
		fx.Error("the repeated call has another answer (-first +again):\n", d)
	}
	return got
}

func repeatedCall(fx *fixture) {
	fx.limit(task.QueueScope, "q", 2)
	failed := fx.start(task.Spec{ID: "failed", Payload: []byte("old"), Priority: 9})
	fx.sendUpdate(failed, "half", false)
	done := fx.start(task.Spec{ID: "done"})
	fx.enqueueAll(task.Spec{ID: "a", Payload: []byte("A\x00\n"), Group: "g", Headers: map[string]string{"h": "v"}}, task.Spec{ID: "b", Timeout: time.Minute},
		task.Spec{ID: "c", Queue: "q"}, task.Spec{ID: "d", Queue: "q"}, task.Spec{ID: "e", Queue: "q"})
	stale := succeed(done)
	stale.Fence--
	x := fx.complete(task.Exchange{
		Reports: []task.Report{stale, failIn(failed, 0), succeed(done), succeed(&task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1})},
		Claims:  []task.Claim{{Queue: task.DefaultQueue, N: 3}, {Queue: "q", N: 3}, {Queue: "empty", N: 3}},
		Idle:    true,
	})
	first := fx.send(x)
	want := []task.Verdict{task.LeaseLost, task.Accepted, task.Accepted, task.Gone}
	if d := cmp.Diff(want, first.Verdicts); d != "" {
		fx.Error("verdicts (-want +got):\n", d)
	}
	if d := cmp.Diff([]string{"failed", "a", "b", "c", "d"}, ids(tasks(first))); d != "" {
		fx.Error("tasks (-want +got):\n", d)
	}
	events := len(fx.events())
	for range 3 {
		fx.waitPast(time.Millisecond)
		again := fx.repeat(x, first)
		if !again.Now.After(first.Now) {
			fx.Errorf("answered at %v, the first at %v", again.Now, first.Now)
		}
		for i, c := range again.Claimed {
			if c.Left > first.Claimed[i].Left {
				fx.Errorf("the attempts of %s may take %v, by the first answer %v", c.Queue, c.Left, first.Claimed[i].Left)
			}
		}
	}
	if n := len(fx.events()); n != events {
		fx.Errorf("%d more events", n-events)
	}
	fx.wantState("e", task.Waiting)
	fx.accept(succeedAll(tasks(first))...)
}

func repeatedCallLeavesOut(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "done"}, task.Spec{ID: "held"}, task.Spec{ID: "released"}, task.Spec{ID: "kept", Retain: ptr(time.Hour)})
	x := fx.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 4}}})
	ts := tasks(fx.send(x))
	fx.wantIDs(ts, "done", "held", "released", "kept")
	fx.send(task.Exchange{Sequence: 2, Reports: []task.Report{succeed(ts[0]), release(ts[2], 0), succeed(ts[3])}})
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "other"}, task.DefaultQueue, 1), "released")
	fx.wantIDs(tasks(fx.send(x)), "held")
	fx.send(task.Exchange{Sequence: 2, Reports: []task.Report{succeed(ts[1])}})
	fx.wantIDs(tasks(fx.send(x)))
}

func repeatedCallClaimsNothingNew(fx *fixture) {
	x := fx.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}, {Queue: "q", N: 2}}})
	first := fx.send(x)
	if !first.Short[0] || !first.Short[1] || len(first.Claimed) != 0 {
		fx.Errorf("answer %+v", first)
	}
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b", Queue: "q"})
	fx.repeat(x, first)
	fx.wantState("a", task.Waiting)
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "a")
}

func repeatedReportsAreWrittenOnce(fx *fixture) {
	t := fx.startAll(3, task.Spec{ID: "t", MaxAttempts: 9})
	x := fx.complete(task.Exchange{Reports: []task.Report{failIn(t[0], 0), release(t[1], 0), failIn(t[2], time.Hour)}})
	first := fx.send(x)
	fx.wantIDs(fx.claimAs(task.Exchange{Sequence: 2}, task.DefaultQueue, 9), "t0", "t1")
	fx.unchanged("t0", func() { fx.repeat(x, first) })
	for i, want := range []int{1, 0, 1} {
		if got := fx.get(t[i].ID); got.Failures != want || len(fx.history(t[i].ID)) != want {
			fx.Errorf("%s has %d failures, %d in its history", got.ID, got.Failures, len(fx.history(got.ID)))
		}
	}
}

// A call that the network delivers after its successor must not claim tasks, because
// the replica would never read the answer.
func lowerCallNumber(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	old := fx.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}})
	fx.wantIDs(tasks(fx.send(old)), "a")
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "b")
	fx.unchanged("x", func() {
		fx.unchanged("c", func() {
			never := old // a lower number, with a report
			never.Reports = []task.Report{succeed(t)}
			for _, x := range []task.Exchange{old, never} {
				if got, err := fx.Store.Exchange(fx.ctx, x); err == nil {
					fx.Errorf("call %d was answered after call %d: %+v", x.Call, fx.calls[sequence{"r", 1}], got)
				}
			}
		})
	})
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "c")
	fx.accept(succeed(t))
}

func sequences(fx *fixture) {
	for i := range 8 {
		fx.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	one := fx.complete(task.Exchange{Sequence: 1, Call: 7, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}})
	two := fx.complete(task.Exchange{Sequence: 2, Call: 1, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}})
	first, second := fx.send(one), fx.send(two)
	fx.wantIDs(tasks(first), "t0", "t1")
	fx.wantIDs(tasks(second), "t2", "t3")
	fx.repeat(one, first)
	fx.repeat(two, second)
	fx.repeat(one, first)
	// Each sequence reports tasks that the other one claimed.
	one.Call, one.Reports = 8, succeedAll(tasks(second))
	two.Call, two.Reports = 2, succeedAll(tasks(first)[:1])
	third, fourth := fx.send(one), fx.send(two)
	fx.wantIDs(tasks(third), "t4", "t5")
	fx.wantIDs(tasks(fourth), "t6", "t7")
	fx.repeat(two, fourth)
	fx.repeat(one, third)
	for _, id := range []string{"t0", "t2", "t3"} {
		fx.wantNoTrace(id)
	}
	for _, x := range []task.Exchange{{Sequence: 1, Call: 7}, {Sequence: 2, Call: 1}} {
		if _, err := fx.Store.Exchange(fx.ctx, fx.complete(x)); err == nil {
			fx.Errorf("sequence %d: call %d was answered again after its successor", x.Sequence, x.Call)
		}
	}
}

func callNumbersPerReplica(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	fx.wantIDs(fx.claimAs(task.Exchange{Call: 7}, task.DefaultQueue, 1), "a")
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "s", Call: 1}, task.DefaultQueue, 1), "b")
	fx.wantIDs(fx.claimAs(task.Exchange{Replica: "s", Call: 2}, task.DefaultQueue, 1), "c")
}
