package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// elsewhere is the report of a clean-up on a replica that uses another remote than the job.
func elsewhere(t *task.Task) task.Report {
	r := release(t, time.Second)
	r.Elsewhere = true
	return r
}

// Only time in which replicas release the clean-up because they use another remote counts.
func cleanUpElsewhere(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	fx.accept(fail(fx.startJob(task.Spec{ID: "x", MaxAttempts: 1}), task.CodeTimeout))
	at := 25 * time.Hour // without a replica
	next := func(after time.Duration, report func(t *task.Task) task.Report) *task.Task {
		fx.Helper()
		at += after
		fx.jump(at)
		fx.accept(report(fx.cleanUp("x", task.CodeTimeout)))
		return fx.get("x")
	}
	full := func(t *task.Task) task.Report { return release(t, time.Minute) }
	for range 3 {
		if got := next(25*time.Hour, elsewhere); got.State != task.Running || got.Error == "" {
			fx.Fatalf("a release that is the only one in a day ends the task: %+v", got)
		}
		if got := next(25*time.Hour, full); got.State != task.Running || got.Error != "" {
			fx.Fatalf("a replica without a free slot for the kind ends the task: %+v", got)
		}
	}
	n := 1
	got := next(time.Minute, elsewhere)
	for ; got.State == task.Running && n < 500; n++ {
		if in := got.DueAt.Sub(fx.Now(fx)); in > time.Minute {
			fx.Fatalf("the next clean-up follows in %v", in)
		}
		got = next(10*time.Minute, elsewhere)
	}
	// Each of the three gaps of a day counts as ten minutes.
	if day := 24 * 6; n < day-5 || n > day+1 {
		fx.Errorf("the task has ended after %d releases, one in ten minutes", n)
	}
	if got := fx.wantEnd("x", task.Failed, task.CodeTimeout); got.Orphan != "job 7" || got.Error != "it broke" {
		fx.Errorf("orphan %q, error %q", got.Orphan, got.Error)
	}
}

// A report may still end the task, until its timeout or its deadline.
func tokenOfAReplicaThatHasGone(fx *fixture) {
	for name, c := range map[string]struct {
		spec task.Spec
		ends time.Duration
		code task.Code
	}{
		"default":  {task.Spec{}, 30 * time.Minute, task.CodeLost},
		"timeout":  {task.Spec{Timeout: 5 * time.Hour}, 5 * time.Hour, task.CodeLost},
		"deadline": {task.Spec{Timeout: 5 * time.Hour, Deadline: 2 * time.Hour}, 2 * time.Hour, task.CodeDeadline},
		"neither":  {task.Spec{Timeout: task.Forever}, 24 * time.Hour, task.CodeLost},
		"stop":     {task.Spec{}, 0, task.CodeStopped},
	} {
		fx.SetClock(fx, 0)
		fx.maintain()
		fx.labelled(name)
		c.spec.ID, c.spec.Queue, c.spec.Labels, c.spec.Retain = "t-"+name, "q", []string{"id=" + name}, new(1000*time.Hour)
		fx.enqueue(c.spec)
		t := fx.take(name, 1)[0]
		fx.job(t, 1, "job-7")
		token := fx.token(t)
		fx.acceptOf(name, release(t, 0))
		fx.noError(fx.Store.Leave(fx.ctx, name))
		fx.spread()
		fx.checkInspection()
		state := task.Failed
		if c.ends == 0 {
			state = task.Stopped
			fx.stop(t.ID)
		} else {
			for _, at := range []time.Duration{time.Minute, c.ends - time.Minute} {
				fx.jump(at)
				fx.spread()
				fx.wantState(t.ID, task.Running)
				fx.deliver(token, task.OutsideReport{State: task.ReportProgress, Progress: []byte("0.5")})
			}
			fx.jump(c.ends + time.Minute)
		}
		fx.spread()
		if got := fx.wantEnd(t.ID, state, c.code); got.Orphan != "job-7" {
			fx.Errorf("%s: orphan %q", name, got.Orphan)
		}
		fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded})
	}
}

// A host may come back. A time in which no replica runs ends no task.
func jobOfAHost(fx *fixture) {
	fx.SetClock(fx, 0)
	fx.maintain()
	at := time.Duration(0)
	come := func(replica, host string) { fx.joinLabelled(task.Registration{Replica: replica, Host: host}) }
	come("a", "host")
	fx.limit(task.QueueScope, "q", 1)
	fx.enqueue(task.Spec{ID: "x", Queue: "q", Labels: []string{"host=host"}, Timeout: task.Forever})
	t := fx.take("a", 1)[0]
	for _, replica := range []string{"b", "c"} {
		fx.job(t, 1, "job-7")
		fx.acceptOf(t.Replica, release(t, 0))
		fx.noError(fx.Store.Leave(fx.ctx, t.Replica))
		for range 5 {
			at += 40 * 24 * time.Hour
			fx.jump(at)
			come("other", "elsewhere")
			fx.spread()
		}
		fx.wantState("x", task.Running)
		fx.put("next" + replica)
		if got := fx.runs("other"); got != "" {
			fx.Errorf("%s started beyond the limit", got)
		}
		fx.checkInspection()
		come(replica, "host")
		got := fx.take(replica, 1)
		fx.wantIDs(got, "x")
		t = got[0]
	}
	fx.accept(succeed(t))
	fx.checkInspection()
}
