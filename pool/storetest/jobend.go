package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// jobEndings are the ways in which an attempt can end while its job goes on. Each has the
// task's end after the clean-up.
var jobEndings = map[string]struct {
	spec  task.Spec
	leave func(fx *fixture, t *task.Task)
	state task.State
	code  task.Code
}{
	"stop, then lost": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.stop(t.ID); fx.loseLeases(t) }, task.Stopped, task.CodeStopped},
	"lost, then stop": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.loseLeases(t); fx.stop(t.ID) }, task.Stopped, task.CodeStopped},
	"stop, then released": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.stop(t.ID); fx.accept(release(t, 0)) },
		task.Stopped, task.CodeStopped},
	"stop not confirmed": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.stop(t.ID); fx.accept(fail(t, task.CodeStopped)) },
		task.Stopped, task.CodeStopped},
	"stop abandoned": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.stop(t.ID); fx.accept(fail(t, task.CodeStopAbandoned)) },
		task.Stopped, task.CodeStopAbandoned},
	"failed for good": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.accept(fail(t, task.CodePermanent)) }, task.Failed, task.CodePermanent},
	"timeout":         {task.Spec{MaxAttempts: 1}, func(fx *fixture, t *task.Task) { fx.accept(fail(t, task.CodeTimeout)) }, task.Failed, task.CodeTimeout},
	"in place": {task.Spec{MaxAttempts: 2}, func(fx *fixture, t *task.Task) { fx.accept(failInPlace(t)) },
		task.Scheduled, task.CodeError},
	"outside, no report": {task.Spec{MaxAttempts: 1}, func(fx *fixture, t *task.Task) {
		fx.accept(detached(t, time.Millisecond))
		fx.waitPast(time.Millisecond)
		fx.maintain()
	}, task.Failed, task.CodeTimeout},
	"outside, stop": {task.Spec{}, func(fx *fixture, t *task.Task) {
		fx.accept(detached(t, time.Hour))
		fx.stop(t.ID)
	}, task.Stopped, task.CodeStopped},
	"detach without a token": {task.Spec{}, func(fx *fixture, t *task.Task) { fx.accept(detached(t, time.Hour)) }, task.Failed, task.CodePermanent},
	"deadline before the next attempt": {task.Spec{Deadline: 10 * time.Minute}, func(fx *fixture, t *task.Task) {
		fx.accept(release(t, time.Hour))
	}, task.Failed, task.CodeDeadline},
	"deadline between two owners": {task.Spec{Deadline: shortLease}, func(fx *fixture, t *task.Task) {
		fx.accept(release(t, 0))
		fx.waitPast(t.DeadlineAt.Sub(fx.Now(fx)))
		fx.maintain()
	}, task.Failed, task.CodeDeadline},
	"too many losses": {task.Spec{Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}}, func(fx *fixture, t *task.Task) {
		for range task.DefaultMaxLost {
			fx.loseLeases(t)
			t = fx.takeOverSoon(t.ID)
		}
		fx.loseLeases(t)
	}, task.Failed, task.CodeLost},
}

func jobEndsBeforeItsTask(fx *fixture) {
	i := 0
	for name, c := range jobEndings {
		c.spec.Retain = ptr(time.Hour)
		if c.spec.Backoff == (task.Backoff{}) {
			c.spec.Backoff = task.Backoff{Fixed: true, Base: time.Hour}
		}
		t, _ := fx.startShort(func(short time.Duration) task.Spec {
			spec := c.spec
			spec.ID = fmt.Sprint("x", i)
			i++
			if spec.Deadline == shortLease {
				spec.Deadline = short
			}
			return spec
		})
		fx.job(t, 1, "job 7")
		token := task.NewToken(t.ID)
		if name != "detach without a token" {
			token = fx.token(t)
		}
		c.leave(fx, t)
		if got := fx.get(t.ID); got.State != task.Running {
			fx.Errorf("%s: before the clean-up the task is %s (%s)", name, got.State, got.Code)
		}
		next := fx.cleanUp(t.ID, c.code)
		history := len(fx.history(t.ID))
		fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded})
		if got := fx.get(t.ID); got.State != task.Running {
			fx.Errorf("%s: before the clean-up the task is %s (%s)", name, got.State, got.Code)
		}
		fx.checkInspection()
		_, hash, err := task.ParseToken(task.NewToken(t.ID))
		fx.noError(err)
		if err := fx.Store.IssueToken(fx.ctx, next.Queue, attempt(next), hash); !errors.Is(err, task.ErrLeaseLost) {
			fx.Errorf("%s: the clean-up got a token: %v", name, err)
		}
		fx.sendLog(next, "clean\n", 6)
		fx.accept(succeed(next))
		got := fx.wantEnd(t.ID, c.state, c.code)
		if got.Job != "" || got.CleanUp != "" || got.Orphan != "" || got.Log != "" || got.LogSize != 0 || (c.state == task.Stopped) != (got.Error == "enough") {
			fx.Errorf("%s: %+v", name, got)
		}
		fx.wantCheckpoint(got, "")
		if h := fx.history(t.ID); len(h) != history {
			fx.Errorf("%s: the history after the clean-up is %+v", name, h)
		}
		ends := 0
		for _, e := range fx.eventsOf(t.ID) {
			if e.State.Terminal() {
				ends++
			}
		}
		if ends > 1 || (ends == 1) != c.state.Terminal() {
			fx.Errorf("%s: %d terminal events", name, ends)
		}
		fx.stop(t.ID)
	}
}
