package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
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
	b.limit(worker.GroupScope, "g", 1)
	b.enqueueAll(worker.Spec{ID: "waits"}, worker.Spec{ID: "scheduled", Delay: time.Hour},
		worker.Spec{ID: "head", Group: "g", TTL: time.Hour}, worker.Spec{ID: "parked", Group: "g", Deadline: time.Hour})
	for _, id := range []string{"waits", "scheduled", "parked", "head"} {
		if c := b.stop(id); !c.Done || c.State != worker.Stopped {
			b.Errorf("%s: %+v", id, c)
		}
		if t := b.wantEnd(id, worker.Stopped, worker.CodeStopped); t.Error != "enough" || t.StopWhy != "enough" {
			b.Errorf("%s: error %q, reason %q", id, t.Error, t.StopWhy)
		}
	}
	b.wantIDs(b.claim(worker.DefaultQueue, 9))
	b.maintain()
	b.wantState("head", worker.Stopped)
}

func stopAsks(b *bundle) {
	t := b.start(worker.Spec{ID: "x"})
	if c := b.stop("x"); !c.Done || c.State != worker.Running {
		b.Errorf("change %+v", c)
	}
	if s := b.Signals(b, "r"); !slices.Equal(s, []string{"stop"}) {
		b.Errorf("signals %v", s)
	}
	if got := b.get("x"); got.StopWhy != "enough" || got.State != worker.Running {
		b.Errorf("reason %q, state %s", got.StopWhy, got.State)
	}
	b.accept(fail(t, worker.CodeStopAbandoned))
	b.wantEnd("x", worker.Stopped, worker.CodeStopAbandoned)
}

// wantStops checks what exchanges of both lanes and a renewal return.
func (b *bundle) wantStops(replica string, renewed []worker.HeldClaim, want ...worker.Attempt) {
	b.Helper()
	for how, got := range map[string][]worker.Attempt{
		"exchange":    b.send(worker.Exchange{Replica: replica}).Stops,
		"second lane": b.send(worker.Exchange{Replica: replica, Lane: 2, Draining: true}).Stops,
		"renewal":     b.heartbeat(worker.Renewal{Replica: replica, Held: renewed}).Stops,
	} {
		slices.SortFunc(got, func(x, y worker.Attempt) int { return slices.Compare([]byte(x.ID), []byte(y.ID)) })
		if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
			b.Errorf("stops in the %s of %s (-want +got):\n%s", how, replica, d)
		}
	}
}

func stopIsReturned(b *bundle) {
	ts := b.startAll(3, worker.Spec{ID: "t"})
	b.enqueue(worker.Spec{ID: "other"})
	other := b.claimAs(worker.Exchange{Replica: "s"}, worker.DefaultQueue, 1)
	b.wantStops("r", held(ts...))
	b.stop("t0")
	b.stop("t0")
	b.stop("t2")
	for range 2 { // the signals are lost, and the answers too
		b.Signals(b, "r")
		b.wantStops("r", held(ts...), attempt(ts[0]), attempt(ts[2]))
		b.wantStops("s", held(other...))
	}
	b.accept(fail(ts[0], worker.CodeStopped))
	b.wantStops("r", held(ts[1:]...), attempt(ts[2]))
	b.accept(succeed(ts[2]))
	b.wantStops("r", held(ts[1]))
	// In the exchange that reports the end it is gone.
	b.stop("t1")
	got := b.send(worker.Exchange{Reports: []worker.Report{fail(ts[1], worker.CodeStopped)}})
	if len(got.Stops) != 0 {
		b.Errorf("stops %v", got.Stops)
	}
	b.stop("other")
	b.wantStops("s", nil, attempt(other[0]))
}

func stopOfALostAttempt(b *bundle) {
	t := b.start(worker.Spec{ID: "x", Retain: ptr(time.Hour)})
	b.stop("x")
	b.lose(t)
	b.wantEnd("x", worker.Stopped, worker.CodeStopped)
	b.wantStops("r", nil)
	b.retry("x")
	again := b.claim(worker.DefaultQueue, 1)
	b.wantIDs(again, "x")
	b.wantStops("r", held(again...))
	if got := b.get("x"); got.StopWhy != "" {
		b.Errorf("the next generation was asked to stop: %q", got.StopWhy)
	}
}

func stopOfAnEndedTask(b *bundle) {
	b.accept(fail(b.start(worker.Spec{ID: "x"}), worker.CodePermanent))
	b.unchanged("x", func() {
		if c := b.stop("x"); c.Done || c.State != worker.Failed {
			b.Errorf("change %+v", c)
		}
	})
}

func stoppedTaskIsNeverRetried(b *bundle) {
	for i, end := range []func(*worker.Task){
		func(t *worker.Task) { b.accept(fail(t, worker.CodeError)) },
		func(t *worker.Task) { b.accept(failIn(t, 0)) },
		func(t *worker.Task) { b.accept(release(t, 0)) },
		func(t *worker.Task) { b.lose(t) },
	} {
		t := b.start(worker.Spec{ID: fmt.Sprint("x", i)})
		b.stop(t.ID)
		end(t)
		b.wantEnd(t.ID, worker.Stopped, worker.CodeStopped)
		b.wantIDs(b.claim(worker.DefaultQueue, 1))
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
	specs := make([]worker.Spec, n)
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
