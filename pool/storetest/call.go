package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of call numbers and sequences.
var callRules = []rule{
	{"RepeatedCallGetsTheSameAnswer", repeatedCall},
	{"RepeatedCallLeavesOutWhatIsNoLongerHeld", repeatedCallLeavesOut},
	{"RepeatedCallClaimsNothingNew", repeatedCallClaimsNothingNew},
	{"RepeatedReportsAreWrittenOnce", repeatedReportsAreWrittenOnce},
	{"LowerCallNumberFailsAndChangesNothing", lowerCallNumber},
	{"SequencesDoNotDisturbEachOther", sequences},
	{"CallNumbersAreOfOneReplica", callNumbersAreOfOneReplica},
}

// answer is what a repeated call has to repeat.
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

// repeat makes a completed exchange again and compares the answers.
func (b *bundle) repeat(x task.Exchange, want task.Exchanged) task.Exchanged {
	b.Helper()
	got := b.send(x)
	if d := cmp.Diff(answer(want), answer(got)); d != "" {
		b.Error("the repeated call has another answer (-first +again):\n", d)
	}
	return got
}

func repeatedCall(b *bundle) {
	b.limit(task.QueueScope, "q", 2)
	failed := b.start(task.Spec{ID: "failed", Payload: []byte("old"), Priority: 9})
	b.updates(failed, "half", false)
	done := b.start(task.Spec{ID: "done"})
	b.enqueueAll(task.Spec{ID: "a", Payload: []byte("A\x00\n"), Group: "g", Headers: map[string]string{"h": "v"}}, task.Spec{ID: "b", Timeout: time.Minute},
		task.Spec{ID: "c", Queue: "q"}, task.Spec{ID: "d", Queue: "q"}, task.Spec{ID: "e", Queue: "q"})
	stale := succeed(done)
	stale.Fence--
	x := b.complete(task.Exchange{
		Reports: []task.Report{stale, failIn(failed, 0), succeed(done), succeed(&task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1})},
		Claims:  []task.Claim{{Queue: task.DefaultQueue, N: 3}, {Queue: "q", N: 3}, {Queue: "empty", N: 3}},
		Idle:    true,
	})
	first := b.send(x)
	want := []task.Verdict{task.LeaseLost, task.Accepted, task.Accepted, task.Gone}
	if d := cmp.Diff(want, first.Verdicts); d != "" {
		b.Error("verdicts (-want +got):\n", d)
	}
	if d := cmp.Diff([]string{"failed", "a", "b", "c", "d"}, ids(tasks(first))); d != "" {
		b.Error("tasks (-want +got):\n", d)
	}
	events := len(b.events())
	for range 3 {
		b.passes(time.Millisecond)
		again := b.repeat(x, first)
		if !again.Now.After(first.Now) {
			b.Errorf("answered at %v, the first at %v", again.Now, first.Now)
		}
		for i, c := range again.Claimed {
			if c.Left > first.Claimed[i].Left {
				b.Errorf("the attempts of %s may take %v, by the first answer %v", c.Queue, c.Left, first.Claimed[i].Left)
			}
		}
	}
	if n := len(b.events()); n != events {
		b.Errorf("%d more events", n-events)
	}
	b.wantState("e", task.Waiting)
	b.accept(succeedAll(tasks(first))...)
}

func repeatedCallLeavesOut(b *bundle) {
	b.enqueueAll(task.Spec{ID: "done"}, task.Spec{ID: "held"}, task.Spec{ID: "released"}, task.Spec{ID: "kept", Retain: ptr(time.Hour)})
	x := b.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 4}}})
	ts := tasks(b.send(x))
	b.wantIDs(ts, "done", "held", "released", "kept")
	b.send(task.Exchange{Sequence: 2, Reports: []task.Report{succeed(ts[0]), release(ts[2], 0), succeed(ts[3])}})
	b.wantIDs(b.claimAs(task.Exchange{Replica: "other"}, task.DefaultQueue, 1), "released")
	b.wantIDs(tasks(b.send(x)), "held")
	b.send(task.Exchange{Sequence: 2, Reports: []task.Report{succeed(ts[1])}})
	b.wantIDs(tasks(b.send(x)))
}

func repeatedCallClaimsNothingNew(b *bundle) {
	x := b.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}, {Queue: "q", N: 2}}})
	first := b.send(x)
	if !first.Short[0] || !first.Short[1] || len(first.Claimed) != 0 {
		b.Errorf("answer %+v", first)
	}
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b", Queue: "q"})
	b.repeat(x, first)
	b.wantState("a", task.Waiting)
	b.wantIDs(b.claim(task.DefaultQueue, 1), "a")
}

func repeatedReportsAreWrittenOnce(b *bundle) {
	t := b.startAll(3, task.Spec{ID: "t", MaxAttempts: 9})
	x := b.complete(task.Exchange{Reports: []task.Report{failIn(t[0], 0), release(t[1], 0), failIn(t[2], time.Hour)}})
	first := b.send(x)
	b.wantIDs(b.claimAs(task.Exchange{Sequence: 2}, task.DefaultQueue, 9), "t0", "t1")
	b.unchanged("t0", func() { b.repeat(x, first) })
	for i, want := range []int{1, 0, 1} {
		if got := b.get(t[i].ID); got.Failures != want || len(b.history(t[i].ID)) != want {
			b.Errorf("%s has %d failures, %d in its history", got.ID, got.Failures, len(b.history(got.ID)))
		}
	}
}

// A call that the network delivers after its successor must not claim tasks, whose
// answer the replica would never read.
func lowerCallNumber(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	old := b.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}})
	b.wantIDs(tasks(b.send(old)), "a")
	b.wantIDs(b.claim(task.DefaultQueue, 1), "b")
	b.unchanged("x", func() {
		b.unchanged("c", func() {
			never := old // a number below the last, with something to do
			never.Reports = []task.Report{succeed(t)}
			for _, x := range []task.Exchange{old, never} {
				if got, err := b.Store.Exchange(b.ctx, x); err == nil {
					b.Errorf("call %d was answered after call %d: %+v", x.Call, b.calls[sequence{"r", 1}], got)
				}
			}
		})
	})
	b.wantIDs(b.claim(task.DefaultQueue, 1), "c")
	b.accept(succeed(t))
}

func sequences(b *bundle) {
	for i := range 8 {
		b.enqueue(task.Spec{ID: fmt.Sprint("t", i)})
	}
	one := b.complete(task.Exchange{Sequence: 1, Call: 7, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}})
	two := b.complete(task.Exchange{Sequence: 2, Call: 1, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 2}}})
	first, second := b.send(one), b.send(two)
	b.wantIDs(tasks(first), "t0", "t1")
	b.wantIDs(tasks(second), "t2", "t3")
	b.repeat(one, first)
	b.repeat(two, second)
	b.repeat(one, first)
	// Each reports what the other claimed.
	one.Call, one.Reports = 8, succeedAll(tasks(second))
	two.Call, two.Reports = 2, succeedAll(tasks(first)[:1])
	third, fourth := b.send(one), b.send(two)
	b.wantIDs(tasks(third), "t4", "t5")
	b.wantIDs(tasks(fourth), "t6", "t7")
	b.repeat(two, fourth)
	b.repeat(one, third)
	for _, id := range []string{"t0", "t2", "t3"} {
		b.wantNoTrace(id)
	}
	for _, x := range []task.Exchange{{Sequence: 1, Call: 7}, {Sequence: 2, Call: 1}} {
		if _, err := b.Store.Exchange(b.ctx, b.complete(x)); err == nil {
			b.Errorf("sequence %d: call %d was answered again after its successor", x.Sequence, x.Call)
		}
	}
}

func callNumbersAreOfOneReplica(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"})
	b.wantIDs(b.claimAs(task.Exchange{Call: 7}, task.DefaultQueue, 1), "a")
	b.wantIDs(b.claimAs(task.Exchange{Replica: "s", Call: 1}, task.DefaultQueue, 1), "b")
	b.wantIDs(b.claimAs(task.Exchange{Replica: "s", Call: 2}, task.DefaultQueue, 1), "c")
}
