package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var stopRules = []rule{
	{"StopEndsWhatDoesNotRunAtOnce", stopEndsAtOnce},
	{"StopAsksForTheEndOfARunningTask", stopAsks},
	{"StopIsReturnedUntilTheAttemptEnds", stopIsReturned},
	{"StopOfALostAttemptIsNotReturned", stopOfALostAttempt},
	{"StopOfAnEndedTaskChangesNothing", stopOfAnEndedTask},
	{"StoppedTaskIsNeverRetried", stoppedTaskIsNeverRetried},
	{"StopOfAMissingTaskAnswersSo", stopOfAMissingTask},
	{"StopOfManyAnswersInOrder", stopOfMany},
}

func stopEndsAtOnce(b *bundle) {
	b.limit(task.GroupScope, "g", 1)
	b.enqueueAll(task.Spec{ID: "waits"}, task.Spec{ID: "scheduled", Delay: time.Hour},
		task.Spec{ID: "head", Group: "g", TTL: time.Hour}, task.Spec{ID: "parked", Group: "g", Deadline: time.Hour})
	for _, id := range []string{"waits", "scheduled", "parked", "head"} {
		if c := b.stop(id); !c.Done || c.State != task.Stopped {
			b.Errorf("%s: %+v", id, c)
		}
		if t := b.wantEnd(id, task.Stopped, task.CodeStopped); t.Error != "enough" || t.StopWhy != "enough" {
			b.Errorf("%s: error %q, reason %q", id, t.Error, t.StopWhy)
		}
	}
	b.wantIDs(b.claim(task.DefaultQueue, 9))
	b.maintain()
	b.wantState("head", task.Stopped)
}

func stopAsks(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	if c := b.stop("x"); !c.Done || c.State != task.Running {
		b.Errorf("change %+v", c)
	}
	if s := b.Signals(b, "r"); !slices.Equal(s, []string{"stop"}) {
		b.Errorf("signals %v", s)
	}
	if got := b.get("x"); got.StopWhy != "enough" || got.State != task.Running {
		b.Errorf("reason %q, state %s", got.StopWhy, got.State)
	}
	b.accept(fail(t, task.CodeStopAbandoned))
	b.wantEnd("x", task.Stopped, task.CodeStopAbandoned)
}

// wantStops checks what exchanges of both sequences and a renewal return.
func (b *bundle) wantStops(replica string, renewed []task.HeldClaim, want ...task.Attempt) {
	b.Helper()
	for how, got := range map[string][]task.Attempt{
		"exchange":        b.send(task.Exchange{Replica: replica}).Stops,
		"second sequence": b.send(task.Exchange{Replica: replica, Sequence: 2, Draining: true}).Stops,
		"renewal":         b.heartbeat(task.Renewal{Replica: replica, Held: renewed}).Stops,
	} {
		slices.SortFunc(got, func(x, y task.Attempt) int { return slices.Compare([]byte(x.ID), []byte(y.ID)) })
		if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
			b.Errorf("stops in the %s of %s (-want +got):\n%s", how, replica, d)
		}
	}
}

func stopIsReturned(b *bundle) {
	ts := b.startAll(3, task.Spec{ID: "t"})
	b.enqueue(task.Spec{ID: "other"})
	other := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)
	b.wantStops("r", held(ts...))
	b.stop("t0")
	b.stop("t0")
	b.stop("t2")
	for range 2 { // the signals are lost, and the answers too
		b.Signals(b, "r")
		b.wantStops("r", held(ts...), attempt(ts[0]), attempt(ts[2]))
		b.wantStops("s", held(other...))
	}
	b.accept(fail(ts[0], task.CodeStopped))
	b.wantStops("r", held(ts[1:]...), attempt(ts[2]))
	b.accept(succeed(ts[2]))
	b.wantStops("r", held(ts[1]))
	// In the exchange that reports the end it is gone.
	b.stop("t1")
	got := b.send(task.Exchange{Reports: []task.Report{fail(ts[1], task.CodeStopped)}})
	if len(got.Stops) != 0 {
		b.Errorf("stops %v", got.Stops)
	}
	b.stop("other")
	b.wantStops("s", nil, attempt(other[0]))
}

func stopOfALostAttempt(b *bundle) {
	t := b.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	b.stop("x")
	b.lose(t)
	b.wantEnd("x", task.Stopped, task.CodeStopped)
	b.wantStops("r", nil)
	b.retry("x")
	again := b.claim(task.DefaultQueue, 1)
	b.wantIDs(again, "x")
	b.wantStops("r", held(again...))
	if got := b.get("x"); got.StopWhy != "" {
		b.Errorf("the next generation was asked to stop: %q", got.StopWhy)
	}
}

func stopOfAnEndedTask(b *bundle) {
	b.accept(fail(b.start(task.Spec{ID: "x"}), task.CodePermanent))
	b.unchanged("x", func() {
		if c := b.stop("x"); c.Done || c.State != task.Failed {
			b.Errorf("change %+v", c)
		}
	})
}

func stoppedTaskIsNeverRetried(b *bundle) {
	for i, end := range []func(*task.Task){
		func(t *task.Task) { b.accept(fail(t, task.CodeError)) },
		func(t *task.Task) { b.accept(failIn(t, 0)) },
		func(t *task.Task) { b.accept(release(t, 0)) },
		func(t *task.Task) { b.lose(t) },
	} {
		t := b.start(task.Spec{ID: fmt.Sprint("x", i)})
		b.stop(t.ID)
		end(t)
		b.wantEnd(t.ID, task.Stopped, task.CodeStopped)
		b.wantIDs(b.claim(task.DefaultQueue, 1))
	}
}

func stopOfAMissingTask(b *bundle) {
	if c := b.stop("none"); c.Done || c.State != "" || c.ID != "none" {
		b.Errorf("change %+v", c)
	}
	b.wantNoTrace("none")
}

func stopOfMany(b *bundle) {
	const n = 1200
	all := make([]string, n)
	specs := make([]task.Spec, n)
	for i := range specs {
		all[i] = fmt.Sprint("t", i)
		specs[i].ID = all[i]
		specs[i].Retain = ptr(time.Duration(0))
	}
	b.enqueueAll(specs...)
	cs, err := b.Store.Stop(b.ctx, "", all...)
	b.ok(err)
	if len(cs) != n {
		b.Fatalf("%d answers", len(cs))
	}
	for i, c := range cs {
		if c.ID != all[i] || !c.Done {
			b.Fatalf("answer %d: %+v", i, c)
		}
	}
	b.wantNoTrace("t1")
}
