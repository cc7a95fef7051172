package storetest

import (
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var jobGoneRules = []rule{
	{"JobOfAReplicaThatHasGoneIsAnOrphan", jobOfAReplicaThatHasGone},
	{"ReleasedCleanUpDoesNotCount", releasedCleanUp},
}

// allSignals removes the signals of all replicas and returns them.
func (fx *fixture) allSignals() (all []string) {
	fx.Helper()
	for r := range fx.joined {
		all = append(all, fx.Signals(fx, r)...)
	}
	return all
}

// A task that names a replica could be taken over by this one alone.
func jobOfAReplicaThatHasGone(fx *fixture) {
	fx.labelled("b")
	fx.limit(task.QueueScope, "q", 1)
	leave := func(t *task.Task) { fx.noError(fx.Store.Leave(fx.ctx, t.Replica)) }
	for name, c := range map[string]struct {
		end   func(t *task.Task)
		state task.State
		code  task.Code
	}{
		"lost":     {func(t *task.Task) { fx.loseLeases(t); fx.maintain() }, task.Failed, task.CodeLost},
		"released": {func(t *task.Task) { fx.acceptOf(t.Replica, release(t, 0)); leave(t) }, task.Failed, task.CodeLost},
		"delayed": {func(t *task.Task) {
			fx.acceptOf(t.Replica, release(t, time.Millisecond))
			leave(t)
			fx.waitPast(time.Millisecond)
			fx.maintain()
		}, task.Failed, task.CodeLost},
		"late": {func(t *task.Task) { leave(t); fx.accept(release(t, 0)) }, task.Failed, task.CodeLost},
		"stopped": {func(t *task.Task) {
			fx.acceptOf(t.Replica, release(t, 0))
			leave(t)
			fx.stop(t.ID)
		}, task.Stopped, task.CodeStopped},
		"failed": {func(t *task.Task) { fx.acceptOf(t.Replica, final(t)); leave(t) }, task.Failed, task.CodePermanent},
	} {
		fx.labelled(name)
		fx.enqueue(task.Spec{ID: "t-" + name, Queue: "q", Labels: []string{"id=" + name}, Retain: new(time.Hour)})
		got := fx.take(name, 1)
		fx.wantIDs(got, "t-"+name)
		fx.job(got[0], 1, "job-7")
		next := fx.put("")
		c.end(got[0])
		if s := fx.allSignals(); !slices.Contains(s, "shards") {
			fx.Errorf("%s: signals %v", name, s)
		}
		fx.checkInspection()
		fx.spread()
		t := fx.wantEnd("t-"+name, c.state, c.code)
		if t.Orphan != "job-7" || c.code == task.CodeLost && t.Error != "replica "+name+" has gone" {
			fx.Errorf("%s: orphan %q, error %q", name, t.Orphan, t.Error)
		}
		if got := fx.runs("b"); got != next {
			fx.Errorf("%s: b got %q: the ended task holds its place", name, got)
		}
	}
	fx.checkInspection()
}

// The replica has no access to the remote of the job, or no free slot for the kind, or drains.
func releasedCleanUp(fx *fixture) {
	fx.accept(fail(fx.startJob(task.Spec{ID: "x", MaxAttempts: 1}), task.CodeTimeout))
	t := fx.cleanUp("x", task.CodeTimeout)
	for range 21 {
		r, want := elsewhere(t), "replica s does not use the remote of the job"
		r.Delay = time.Millisecond
		fx.accept(r)
		if got := fx.wantEnd("x", task.Running, task.CodeReleased); got.Error != want {
			fx.Fatalf("released: %+v", got)
		}
		t = fx.takeOverSoon("x")
	}
	for _, delay := range []time.Duration{time.Millisecond, 0} {
		fx.accept(release(t, delay))
		if got := fx.wantEnd("x", task.Running, task.CodeReleased); got.Error != "" {
			fx.Errorf("released for %v: error %q", delay, got.Error)
		}
		if delay > 0 {
			t = fx.takeOverSoon("x")
		}
	}
	fx.accept(succeed(fx.takeOverJob("x")))
	if got := fx.wantEnd("x", task.Failed, task.CodeTimeout); got.Orphan != "" || got.Error != "it broke" {
		fx.Errorf("afterwards: %+v", got)
	}
}
