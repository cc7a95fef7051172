package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var jobRules = []rule{
	{"TaskWithAJobKeepsItsPlaceBetweenItsOwners", jobKeepsItsPlace},
	{"TakeOverContinuesTheJob", takeOverContinues},
	{"DelayedTakeOverWaits", delayedTakeOver},
	{"LimitAndPauseHoldBackNoTakeOver", takeOverUnderLimits},
	{"TakeOverSignalsAReplica", takeOverSignals},
	{"JobEndsBeforeItsTask", jobEndsBeforeItsTask},
	{"JobThatHasEndedNeedsNoCleanUp", endedJob},
	{"FormerOwnerOfAJobWritesNothing", formerOwner},
	{"FailedCleanUpIsRepeated", failedCleanUp},
	{"StopOfATaskThatWaitsForItsCleanUp", stopBeforeTheCleanUp},
	{"RetryAfterTheCleanUpStartsAnew", retryAfterCleanUp},
	{"RepeatedClaimOfACleanUp", repeatedClaimOfACleanUp},
}

// job names a job of a running attempt.
func (fx *fixture) job(t *task.Task, n int64, job string) {
	fx.Helper()
	fx.noError(fx.Store.SaveJob(fx.ctx, t.Queue, attempt(t), n, []byte("saved"), job))
}

// startJob starts a task and names its job "job 7".
func (fx *fixture) startJob(spec task.Spec) *task.Task {
	fx.Helper()
	t := fx.start(spec)
	fx.job(t, 1, "job 7")
	return t
}

// takeOver claims the one task that waits for a take-over for replica "s".
func (fx *fixture) takeOverJob(id string) *task.Task {
	fx.Helper()
	got := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)
	fx.wantIDs(got, id)
	if got[0].Job != "job 7" {
		fx.Errorf("%s has the job %q", id, got[0].Job)
	}
	fx.wantCheckpoint(got[0], "saved")
	return got[0]
}

// takeOverSoon is takeOverJob, after the delay that follows a loss or a failed clean-up.
func (fx *fixture) takeOverSoon(id string) *task.Task {
	fx.Helper()
	fx.waitPast(fx.wantState(id, task.Running).DueAt.Sub(fx.Now(fx)))
	fx.maintain()
	return fx.takeOverJob(id)
}

// cleanUp claims the task for its clean-up.
func (fx *fixture) cleanUp(id string, code task.Code) *task.Task {
	fx.Helper()
	t := fx.takeOverJob(id)
	if t.CleanUp != code {
		fx.Errorf("%s is claimed for the clean-up %q, want %q", id, t.CleanUp, code)
	}
	return t
}

func jobKeepsItsPlace(fx *fixture) {
	for i, scope := range []task.Scope{task.QueueScope, task.GroupScope, task.PoolScope} {
		name := map[task.Scope]string{task.QueueScope: task.DefaultQueue, task.GroupScope: "g"}[scope]
		fx.limit(scope, name, 1)
		for how, leave := range map[string]func(*task.Task){
			"lost": func(t *task.Task) { fx.loseLeases(t) }, "released": func(t *task.Task) { fx.accept(release(t, 0)) },
			"stopped": func(t *task.Task) { fx.stop(t.ID); fx.loseLeases(t) },
			"failed":  func(t *task.Task) { fx.accept(fail(t, task.CodePermanent)) },
		} {
			t := fx.startJob(task.Spec{ID: fmt.Sprint(how, i), Group: "g", Retain: ptr(time.Duration(0))})
			next := fx.enqueue(task.Spec{ID: fmt.Sprint("next", how, i), Group: "g"})
			leave(t)
			if s := fx.stats(); s.Running != 1 || s.Waiting != 1 {
				fx.Errorf("%s, limit %d: %d running, %d waiting", how, i, s.Running, s.Waiting)
			}
			fx.wantState(t.ID, task.Running)
			got := fx.claim(task.DefaultQueue, 9)
			fx.wantIDs(got, t.ID)
			fx.accept(succeed(got[0]))
			fx.wantNoTrace(t.ID)
			got = fx.claim(task.DefaultQueue, 9)
			fx.wantIDs(got, next)
			fx.accept(succeed(got[0]))
		}
		fx.limit(scope, name, task.NoLimit)
	}
}

func takeOverContinues(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x", MaxAttempts: 1, Retain: ptr(time.Hour)})
	if got := fx.get("x"); got.Job != "job 7" || got.CleanUp != "" {
		fx.Errorf("running: %+v", got)
	}
	fx.loseLeases(t)
	got := fx.wantEnd("x", task.Running, task.CodeLost)
	if got.Lost != 1 || got.Failures != 0 || got.Version != t.Version+1 || got.Attempt != 1 || got.Error == "" {
		fx.Errorf("between its owners: %+v", got)
	}
	next := fx.takeOverJob("x")
	if next.Attempt != 2 || next.Version != t.Version+2 || next.Fence <= t.Fence || next.CleanUp != "" {
		fx.Errorf("taken over: %+v", next)
	}
	fx.accept(withLog(release(next, 0), "log\n", 4))
	next = fx.takeOverJob("x")
	if next.Attempt != 3 || next.Lost != 1 {
		fx.Errorf("taken over: %+v", next)
	}
	fx.job(next, 1, "job 7 again")
	fx.accept(succeed(next))
	if got = fx.wantEnd("x", task.Succeeded, task.CodeOK); got.Job != "" || got.Lost != 1 {
		fx.Errorf("ended: %+v", got)
	}
	es := fx.eventsOf("x")
	for i, e := range es {
		if e.Version != int64(i+1) || e.State != []task.State{task.Waiting, task.Running, task.Running, task.Running, task.Running, task.Running, task.Succeeded}[i] {
			fx.Errorf("event %d: %+v", i, e)
		}
	}
	fx.remove("x")
	fx.wantNoTrace("x")
}

func delayedTakeOver(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x"})
	fx.accept(release(t, time.Hour))
	fx.maintain()
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	if s := fx.stats(); s.Running != 1 || s.Scheduled != 0 {
		fx.Errorf("stats %+v", s)
	}
	fx.stop("x")
	fx.accept(succeed(fx.cleanUp("x", task.CodeStopped)))
	t = fx.startJob(task.Spec{ID: "y"})
	fx.accept(release(t, time.Millisecond))
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.accept(succeed(fx.takeOverJob("y")))
	fx.wantNoTrace("y")
}

func takeOverUnderLimits(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t", Group: "g"})
	for _, t := range ts {
		fx.job(t, 1, "job 7")
	}
	fx.loseLeases(ts...)
	fx.limit(task.PoolScope, "", 1)
	fx.limit(task.GroupScope, "g", 1)
	fx.pause(task.QueueScope, task.DefaultQueue, true)
	fx.enqueue(task.Spec{ID: "a", Priority: 9})
	var got []*task.Task
	for range 3 { // one slot is free at a time
		one := tasks(fx.send(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}))
		if len(one) != 1 {
			fx.Fatalf("claimed %v after %v", ids(one), ids(got))
		}
		got = append(got, one...)
	}
	fx.wantIDs(got, "t0", "t1", "t2")
	fx.wantIDs(fx.claim(task.DefaultQueue, 9))
	fx.accept(succeedAll(got)...)
	fx.pause(task.QueueScope, task.DefaultQueue, false)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "a")
}

func takeOverSignals(fx *fixture) {
	fx.serve("a", "q")
	fx.limit(task.QueueScope, "q", 1)
	for name, leave := range map[string]func(*task.Task){
		"lost": func(t *task.Task) { fx.loseLeases(t) }, "released": func(t *task.Task) { fx.accept(release(t, 0)) },
		"stopped": func(t *task.Task) { fx.accept(release(t, time.Hour)); fx.stop(t.ID) },
		"delayed": func(t *task.Task) {
			fx.accept(release(t, time.Millisecond))
			fx.waitPast(time.Millisecond)
			fx.maintain()
		},
		"failed": func(t *task.Task) { fx.accept(fail(t, task.CodePermanent)) },
	} {
		t := fx.startJob(task.Spec{ID: name, Queue: "q", Retain: ptr(time.Duration(0))})
		fx.becomeIdle("a")
		fx.wantSignals(name)
		leave(t)
		fx.wantSignals(name, "a q:q")
		got := fx.claimAs(task.Exchange{Replica: "a"}, "q", 1)
		fx.wantIDs(got, name)
		fx.accept(succeed(got[0]))
	}
}

func endedJob(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x", MaxAttempts: 2})
	fx.job(t, 2, "")
	if got := fx.get("x"); got.Job != "" {
		fx.Errorf("job %q", got.Job)
	}
	fx.wantCheckpoint(fx.get("x"), "saved")
	fx.accept(failIn(t, 0))
	t = fx.claim(task.DefaultQueue, 1)[0]
	if t.CleanUp != "" || t.Job != "" || t.Failures != 1 {
		fx.Errorf("the next attempt: %+v", t)
	}
	fx.job(t, 1, "job 7")
	fx.loseLeases(t)
	t = fx.takeOverJob("x")
	fx.job(t, 1, "")
	fx.accept(fail(t, task.CodePermanent))
	fx.wantEnd("x", task.Failed, task.CodePermanent)
}

func formerOwner(fx *fixture) {
	t := fx.startJob(task.Spec{ID: "x"})
	fx.loseLeases(t)
	fx.unchanged("x", func() {
		for _, r := range everyReport(t) {
			fx.verdict(r, task.LeaseLost)
		}
		if v := fx.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
			fx.Errorf("renewal: %s", v[0])
		}
		for _, err := range []error{
			fx.Store.Checkpoint(fx.ctx, t.Queue, attempt(t), 7, []byte("late")), fx.Store.SaveJob(fx.ctx, t.Queue, attempt(t), 7, nil, ""),
			fx.Store.IssueToken(fx.ctx, t.Queue, attempt(t), "0"),
		} {
			if !errors.Is(err, task.ErrLeaseLost) {
				fx.Errorf("a former owner: %v", err)
			}
		}
	})
	fx.accept(succeed(fx.takeOverJob("x")))
}

func failedCleanUp(fx *fixture) {
	for name, end := range map[string]func(t *task.Task){
		"failed": func(t *task.Task) { fx.accept(withLog(fail(t, task.CodeError), "away\n", 5)) },
		"lost":   func(t *task.Task) { fx.loseLeases(t) },
		"stop":   func(t *task.Task) { fx.stop(t.ID); fx.accept(fail(t, task.CodeStopped)) },
	} {
		fx.accept(fail(fx.startJob(task.Spec{ID: name, MaxAttempts: 1}), task.CodeTimeout))
		end(fx.cleanUp(name, task.CodeTimeout))
		if got := fx.wantEnd(name, task.Running, task.CodeCleanUp); got.Failures != 0 || got.Lost != 0 || got.Error == "" {
			fx.Errorf("%s: %+v", name, got)
		}
		t := fx.takeOverSoon(name)
		if h := fx.history(name); len(h) != 2 || h[0].Code != task.CodeTimeout || h[1].Code != task.CodeCleanUp || h[1].Attempt != 2 {
			fx.Errorf("%s: history %+v", name, h)
		}
		fx.job(t, 1, "") // the job has ended, whatever the handler returns
		fx.accept(fail(t, task.CodeError))
		if name == "stop" {
			fx.wantEnd(name, task.Stopped, task.CodeStopped)
			continue
		}
		if got := fx.wantEnd(name, task.Failed, task.CodeTimeout); got.Failures != 1 || got.Error != "it broke" || got.Orphan != "" {
			fx.Errorf("%s: %+v", name, got)
		}
	}
}

func stopBeforeTheCleanUp(fx *fixture) {
	fx.accept(failIn(fx.startJob(task.Spec{ID: "x"}), 0))
	for _, want := range []bool{true, false} {
		if c := fx.stop("x"); c.Done != want || c.State != task.Running {
			fx.Errorf("change %+v, want %v", c, want)
		}
	}
	fx.accept(succeed(fx.cleanUp("x", task.CodeError)))
	if got := fx.wantEnd("x", task.Stopped, task.CodeStopped); got.Error != "enough" {
		fx.Errorf("error %q", got.Error)
	}
}

func retryAfterCleanUp(fx *fixture) {
	fx.accept(failIn(fx.startJob(task.Spec{ID: "x", Group: "g"}), 0))
	t := fx.cleanUp("x", task.CodeError)
	fx.accept(release(t, 0)) // a drain is no failed clean-up
	if h := fx.history("x"); len(h) != 1 {
		fx.Errorf("history %+v", h)
	}
	fx.accept(succeed(fx.cleanUp("x", task.CodeError)))
	got := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(got, "x")
	if t = got[0]; t.Job != "" || t.CleanUp != "" || t.Failures != 1 || t.Error != "it broke" {
		fx.Errorf("the retry: %+v", t)
	}
	fx.wantCheckpoint(t, "")
	fx.accept(succeed(t))
	fx.wantNoTrace("x")
}

// The bound of a clean-up is its own, also in an answer that is repeated.
func repeatedClaimOfACleanUp(fx *fixture) {
	t, _ := fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "x", Deadline: short} })
	fx.job(t, 1, "job 7")
	fx.accept(release(t, 0))
	fx.waitPast(t.DeadlineAt.Sub(fx.Now(fx)))
	x := fx.complete(task.Exchange{Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}})
	for range 2 {
		got := fx.send(x)
		fx.wantIDs(tasks(got), "x")
		if left := got.Claimed[0].Left; left < 9*time.Minute || left > 10*time.Minute || tasks(got)[0].CleanUp != task.CodeDeadline {
			fx.Errorf("%v left for %+v", left, tasks(got)[0])
		}
	}
}

func jobIsAnOrphan(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	fx.accept(failIn(fx.startJob(task.Spec{ID: "x", MaxAttempts: 5, Retain: ptr(time.Hour)}), 0))
	for i := range 20 {
		fx.jump(time.Duration(i) * 2 * time.Minute)
		fx.accept(fail(fx.cleanUp("x", task.CodeError), task.CodeError))
	}
	got := fx.wantEnd("x", task.Failed, task.CodeError)
	if got.Orphan != "job 7" || got.Job != "" || got.Error != "it broke" {
		fx.Errorf("%+v", got)
	}
	if es := fx.eventsOf("x"); es[len(es)-1].Orphan != "job 7" {
		fx.Errorf("the last event: %+v", es[len(es)-1])
	}
	fx.retry("x")
	if got = fx.claim(task.DefaultQueue, 1)[0]; got.Orphan != "" || got.CleanUp != "" {
		fx.Errorf("retried: %+v", got)
	}
	fx.accept(succeed(got))
}
