package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var stopRules = []rule{
	{"StopEndsTasksThatDoNotRunAtOnce", stopOfTasksThatDoNotRun},
	{"StopRequestsTheEndOfARunningTask", stopOfARunningTask},
	{"StopIsReturnedUntilTheAttemptEnds", stopIsReturned},
	{"StopOfALostAttemptIsNotReturned", stopOfALostAttempt},
	{"StopOfAnEndedTaskChangesNothing", stopOfAnEndedTask},
	{"StoppedTaskIsNeverRetried", stoppedTaskIsNeverRetried},
	{"StopOfAMissingTaskReturnsNoState", stopOfAMissingTask},
	{"StopOfManyAnswersInOrder", stopOfMany},
}

func stopOfTasksThatDoNotRun(fx *fixture) {
	fx.limit(task.GroupScope, "g", 1)
	fx.enqueueAll(task.Spec{ID: "waits"}, task.Spec{ID: "scheduled", Delay: time.Hour},
		task.Spec{ID: "head", Group: "g", TTL: time.Hour}, task.Spec{ID: "blocked", Group: "g", Deadline: time.Hour})
	for _, id := range []string{"waits", "scheduled", "blocked", "head"} {
		if c := fx.stop(id); !c.Done || c.State != task.Stopped {
			fx.Errorf("%s: %+v", id, c)
		}
		if t := fx.wantEnd(id, task.Stopped, task.CodeStopped); t.Error != "enough" || t.StopWhy != "enough" {
			fx.Errorf("%s: error %q, reason %q", id, t.Error, t.StopWhy)
		}
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.maintain()
	fx.wantState("head", task.Stopped)
}

func stopOfARunningTask(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	if c := fx.stop("x"); !c.Done || c.State != task.Running {
		fx.Errorf("change %+v", c)
	}
	if s := fx.Signals(fx, "r"); !slices.Equal(s, []string{"stop"}) {
		fx.Errorf("signals %v", s)
	}
	if got := fx.get("x"); got.StopWhy != "enough" || got.State != task.Running {
		fx.Errorf("reason %q, state %s", got.StopWhy, got.State)
	}
	fx.accept(fail(t, task.CodeStopAbandoned))
	fx.wantEnd("x", task.Stopped, task.CodeStopAbandoned)
}

// wantStops compares the stops that exchanges of both sequences and a renewal return, without
// those of attempts that a report has ended.
func (fx *fixture) wantStops(replica string, renewed []task.HeldClaim, want ...task.Attempt) {
	fx.Helper()
	for how, got := range map[string][]task.Attempt{
		"exchange":        fx.send(task.Exchange{Replica: replica}).Stops,
		"second sequence": fx.send(task.Exchange{Replica: replica, Sequence: 2, Closed: true}).Stops,
		"renewal":         fx.heartbeat(task.Renewal{Replica: replica, Held: renewed}).Stops,
	} {
		got = slices.DeleteFunc(got, func(a task.Attempt) bool { return a.Reported })
		slices.SortFunc(got, func(x, y task.Attempt) int { return slices.Compare([]byte(x.ID), []byte(y.ID)) })
		if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
			fx.Errorf("stops in the %s of %s (-want +got):\n%s", how, replica, d)
		}
	}
}

func stopIsReturned(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t"})
	fx.enqueue(task.Spec{ID: "other"})
	other := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)
	fx.wantStops("r", held(ts...))
	fx.stop("t0")
	if c := fx.stop("t0"); c.Done || c.State != task.Running {
		fx.Errorf("the second stop: %+v", c)
	}
	fx.stop("t2")
	for range 2 { // also after lost signals and answers
		fx.Signals(fx, "r")
		fx.wantStops("r", held(ts...), attempt(ts[0]), attempt(ts[2]))
		fx.wantStops("s", held(other...))
	}
	fx.accept(fail(ts[0], task.CodeStopped))
	fx.wantStops("r", held(ts[1:]...), attempt(ts[2]))
	fx.accept(succeed(ts[2]))
	fx.wantStops("r", held(ts[1]))
	// The exchange that reports the end does not return the stop any more.
	fx.stop("t1")
	got := fx.send(task.Exchange{Reports: []task.Report{fail(ts[1], task.CodeStopped)}})
	if len(got.Stops) != 0 {
		fx.Errorf("stops %v", got.Stops)
	}
	fx.stop("other")
	fx.wantStops("s", nil, attempt(other[0]))
}

func stopOfALostAttempt(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	fx.stop("x")
	fx.loseLeases(t)
	fx.wantEnd("x", task.Stopped, task.CodeStopped)
	fx.wantStops("r", nil)
	fx.retry("x")
	again := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(again, "x")
	fx.wantStops("r", held(again...))
	if got := fx.get("x"); got.StopWhy != "" {
		fx.Errorf("the next generation was asked to stop: %q", got.StopWhy)
	}
}

func stopOfAnEndedTask(fx *fixture) {
	fx.accept(fail(fx.start(task.Spec{ID: "x"}), task.CodePermanent))
	fx.unchanged("x", func() {
		if c := fx.stop("x"); c.Done || c.State != task.Failed {
			fx.Errorf("change %+v", c)
		}
	})
}

func stoppedTaskIsNeverRetried(fx *fixture) {
	for i, end := range []func(*task.Task){
		func(t *task.Task) { fx.accept(fail(t, task.CodeError)) },
		func(t *task.Task) { fx.accept(failIn(t, 0)) },
		func(t *task.Task) { fx.accept(release(t, 0)) },
		func(t *task.Task) { fx.loseLeases(t) },
	} {
		t := fx.start(task.Spec{ID: fmt.Sprint("x", i)})
		fx.stop(t.ID)
		end(t)
		fx.wantEnd(t.ID, task.Stopped, task.CodeStopped)
		fx.wantIDs(fx.claim(task.DefaultQueue, 1))
	}
}

func stopOfAMissingTask(fx *fixture) {
	if c := fx.stop("none"); c.Done || c.State != "" || c.ID != "none" {
		fx.Errorf("change %+v", c)
	}
	fx.wantNoTrace("none")
}

func stopOfMany(fx *fixture) {
	const n = 1200
	all := make([]string, n)
	specs := make([]task.Spec, n)
	for i := range specs {
		all[i] = fmt.Sprint("t", i)
		specs[i].ID = all[i]
		specs[i].Retain = ptr(time.Duration(0))
	}
	fx.enqueueAll(specs...)
	cs, err := fx.Store.Stop(fx.ctx, "", all...)
	fx.noError(err)
	if len(cs) != n {
		fx.Fatalf("%d answers", len(cs))
	}
	for i, c := range cs {
		if c.ID != all[i] || !c.Done {
			fx.Fatalf("answer %d: %+v", i, c)
		}
	}
	fx.wantNoTrace("t1")
}
