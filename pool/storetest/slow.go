package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The rules about attempts that are past their soft timeout.
var slowRules = []rule{
	{"SlowAttemptIsMarkedWhileItRuns", slowAttemptIsMarked},
	{"NextAttemptIsNotMarkedSlow", nextAttemptIsNotSlow},
	{"InspectionCountsSlowAttempts", inspectionCountsSlowAttempts},
}

func slowAttemptIsMarked(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t"})
	before := fx.Now(fx)
	fx.sendUpdate(ts[0], "half", true)
	first := fx.wantState("t0", task.Running).SlowAt
	if first.Before(before.Truncate(time.Millisecond)) || first.After(fx.Now(fx)) {
		fx.Errorf("slow since %v, want the time of the update, after %v", first, before)
	}
	fx.waitPast(time.Millisecond)
	fx.sendUpdate(ts[0], "more", true)
	fx.sendUpdate(ts[1], "half", false)
	if got := fx.get("t0").SlowAt; !got.Equal(first) {
		fx.Errorf("slow since %v, want the first time %v", got, first)
	}
	if got := fx.get("t1").SlowAt; !got.IsZero() {
		fx.Errorf("the other attempt is slow since %v", got)
	}
	for t, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Running}, Brief: true}) {
		fx.noError(err)
		if t.SlowAt.IsZero() != (t.ID == "t1") {
			fx.Errorf("the list has %s slow since %v", t.ID, t.SlowAt)
		}
	}
	fx.accept(fail(ts[0], task.CodePermanent))
	if got := fx.wantState("t0", task.Failed).SlowAt; !got.IsZero() {
		fx.Errorf("the ended task is slow since %v", got)
	}
}

func nextAttemptIsNotSlow(fx *fixture) {
	for name, back := range map[string]func(t *task.Task){
		"retry":   func(t *task.Task) { fx.accept(failIn(t, 0)) },
		"release": func(t *task.Task) { fx.accept(release(t, 0)) },
		"loss":    func(t *task.Task) { fx.loseLeases(t) },
		"retry by an operator": func(t *task.Task) {
			fx.accept(fail(t, task.CodePermanent))
			fx.retry(t.ID)
		},
	} {
		t := fx.start(task.Spec{ID: "x"})
		fx.sendUpdate(t, "", true)
		back(t)
		if got := fx.wantState("x", task.Waiting).SlowAt; !got.IsZero() {
			fx.Errorf("%s: the waiting task is slow since %v", name, got)
		}
		next := fx.claim(task.DefaultQueue, 1)[0]
		if got := fx.wantState("x", task.Running).SlowAt; !got.IsZero() || !next.SlowAt.IsZero() {
			fx.Errorf("%s: the next attempt is slow since %v, for its replica since %v", name, got, next.SlowAt)
		}
		fx.sendUpdate(t, "", true) // late, of the attempt before
		if got := fx.get("x").SlowAt; !got.IsZero() {
			fx.Errorf("%s: a late update makes the next attempt slow since %v", name, got)
		}
		fx.sendUpdate(next, "", true)
		if fx.get("x").SlowAt.IsZero() {
			fx.Errorf("%s: the next attempt is past its own soft timeout, and not marked", name)
		}
		fx.accept(fail(next, task.CodePermanent))
		fx.remove("x")
	}
}

func inspectionCountsSlowAttempts(fx *fixture) {
	count := func() (n float64) {
		fx.Helper()
		for f, err := range fx.Store.Inspect(fx.ctx, task.Inspection{}) {
			fx.noError(err)
			if f.Check == "tasks" {
				n = f.Figures["slow"]
				if f.Open() || f.Do == "" {
					fx.Errorf("finding %+v", f)
				}
			}
		}
		return n
	}
	ts := fx.startAll(5, task.Spec{ID: "t"})
	if n := count(); n != 0 {
		fx.Errorf("%v attempts are slow, want none", n)
	}
	fx.sendUpdate(ts[0], "", true)
	fx.sendUpdate(ts[1], "", true)
	fx.sendUpdate(ts[2], "half", false)
	if n := count(); n != 2 {
		fx.Errorf("%v attempts are slow, want 2", n)
	}
	fx.accept(failIn(ts[0], 0))
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "t0")
	if n := count(); n != 1 {
		fx.Errorf("%v attempts are slow, want 1", n)
	}
}
