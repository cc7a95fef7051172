package storetest

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var retryPolicyRules = []rule{
	{"FailureIsRetriedUntilAttemptsAreUsedUp", failureIsRetried},
	{"FinalCodesAreNeverRetried", finalCodesAreNeverRetried},
	{"DelayOfTheReportReplacesTheBackoff", delayOfTheReport},
	{"BackoffStaysInItsBounds", backoffStaysInItsBounds},
	{"PolicyOfTheKindAppliesToTasksWithoutOne", policyOfTheKindApplies},
	{"ReleaseUsesNoAttempt", releaseUsesNoAttempt},
	{"HistoryKeepsTheLastTenFailures", historyKeepsTheLastTen},
	{"UnknownKindFailsOnlyWithoutALiveReplicaThatKnowsIt", unknownKind},
}

func failureIsRetried(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 3})
	for i := 1; i < 3; i++ {
		fx.accept(failIn(t, 0))
		got := fx.wantState("x", task.Waiting)
		if got.Failures != i || got.Code != task.CodeError || got.Error != "it broke" {
			fx.Errorf("after failure %d: %+v", i, got)
		}
		t = fx.claim(task.DefaultQueue, 1)[0]
	}
	fx.accept(failIn(t, 0))
	if got := fx.wantEnd("x", task.Failed, task.CodeError); got.Failures != 3 || got.Error != "it broke" {
		fx.Errorf("at the end: %+v", got)
	}
}

func finalCodesAreNeverRetried(fx *fixture) {
	for _, code := range []task.Code{task.CodePermanent, task.CodeBadPayload} {
		t := fx.start(task.Spec{ID: string(code)})
		fx.accept(fail(t, code))
		fx.wantEnd(t.ID, task.Failed, code)
	}
	for _, code := range []task.Code{task.CodeError, task.CodePanic, task.CodeTimeout, task.CodeTimeoutAbandoned} {
		t := fx.start(task.Spec{ID: string(code)})
		r := fail(t, code)
		r.Delay, r.DelaySet = time.Hour, true
		fx.accept(r)
		fx.wantEnd(t.ID, task.Scheduled, code)
	}
}

func delayOfTheReport(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	fx.accept(failIn(t, time.Minute))
	if got := fx.get("x"); got.DueAt.Sub(fx.Now(fx)) > time.Minute {
		fx.Errorf("due in %v", got.DueAt.Sub(fx.Now(fx)))
	}
	t = fx.start(task.Spec{ID: "y", Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	before := fx.Now(fx)
	fx.accept(fail(t, task.CodeError))
	if wait := fx.get("y").DueAt.Sub(before); wait < time.Hour || wait > time.Hour+time.Minute {
		fx.Errorf("due in %v", wait)
	}
}

func backoffStaysInItsBounds(fx *fixture) {
	const n = 60
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), MaxAttempts: 1000,
			Backoff: task.Backoff{Base: time.Minute, Max: 3 * time.Minute}}
	}
	fx.enqueueAll(specs...)
	ts := fx.claim(task.DefaultQueue, n)
	for try, most := range []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute} {
		reports := make([]task.Report, n)
		for i, t := range ts {
			reports[i] = fail(t, task.CodeError)
		}
		before := fx.Now(fx)
		fx.report(reports...)
		after := fx.Now(fx)
		different := map[time.Duration]bool{}
		for _, t := range ts {
			got := fx.get(t.ID)
			if got.DueAt.Before(before) || got.DueAt.Sub(after) > most {
				fx.Errorf("retry %d waits %v", try+1, got.DueAt.Sub(before))
			}
			different[got.DueAt.Sub(before)] = true
		}
		if len(different) < n/2 {
			fx.Errorf("retry %d: only %d different waits", try+1, len(different))
		}
		// Start new tasks with as many failures.
		for i, t := range ts {
			fx.stop(t.ID)
			fx.remove(t.ID)
			specs[i].ID = fmt.Sprintf("t%d-%d", try, i)
		}
		fx.enqueueAll(specs...)
		ts = fx.claim(task.DefaultQueue, n)
		for range try + 1 {
			for i, t := range ts {
				reports[i] = failIn(t, 0)
			}
			fx.report(reports...)
			ts = fx.claim(task.DefaultQueue, n)
		}
	}
}

func policyOfTheKindApplies(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{
		"once": {MaxAttempts: 1}, "fixed": {Backoff: task.Backoff{Fixed: true, Base: time.Hour}},
	}})
	fx.accept(fail(fx.start(task.Spec{ID: "a", Kind: "once"}), task.CodeError))
	fx.wantEnd("a", task.Failed, task.CodeError)
	fx.accept(failIn(fx.start(task.Spec{ID: "b", Kind: "once", MaxAttempts: 2}), time.Hour))
	fx.wantState("b", task.Scheduled)
	before := fx.Now(fx)
	fx.accept(fail(fx.start(task.Spec{ID: "c", Kind: "fixed"}), task.CodeError))
	if wait := fx.wantState("c", task.Scheduled).DueAt.Sub(before); wait < time.Hour {
		fx.Errorf("due in %v", wait)
	}
}

func releaseUsesNoAttempt(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 1})
	for range 5 {
		fx.accept(release(t, 0))
		t = fx.claim(task.DefaultQueue, 1)[0]
	}
	if got := fx.get("x"); got.Failures != 0 || got.Lost != 0 {
		fx.Errorf("after releases: %+v", got)
	}
	if h := fx.history("x"); len(h) != 0 {
		fx.Errorf("releases wrote history: %+v", h)
	}
	fx.accept(release(t, time.Hour))
	if got := fx.wantState("x", task.Scheduled); got.Code != task.CodeReleased {
		fx.Errorf("code %s", got.Code)
	}
	fx.wantIDs(fx.claim(task.DefaultQueue, 1))
}

func historyKeepsTheLastTen(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", MaxAttempts: 20})
	for i := range 14 {
		r := failIn(t, 0)
		r.Error, r.Log = fmt.Sprint("error ", i), "log\x00\n\"é"
		fx.accept(r)
		t = fx.claim(task.DefaultQueue, 1)[0]
	}
	h := fx.history("x")
	if len(h) != task.MaxHistory {
		fx.Fatalf("%d entries", len(h))
	}
	for i, a := range h {
		if a.Attempt != int64(5+i) || a.Error != fmt.Sprint("error ", 4+i) || a.Code != task.CodeError || a.Replica != "r" ||
			a.Log != "log\x00\n\"é" || a.At.IsZero() || a.Run < 0 {
			fx.Errorf("entry %d: %+v", i, a)
		}
	}
}

func unknownKind(fx *fixture) {
	serves := map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}
	fx.join(task.Registration{Replica: "knows", Lease: time.Hour, Queues: serves, Kinds: map[string]task.Policy{"rare": {}, "rarer": {}}})
	fx.join(task.Registration{Replica: "r", Lease: time.Hour, Kinds: map[string]task.Policy{"k": {}}})
	noHandler := func(t *task.Task) task.Report {
		r := release(t, time.Hour)
		r.Code = task.CodeNoHandler
		return r
	}
	fx.accept(noHandler(fx.start(task.Spec{ID: "a", Kind: "rare"})))
	fx.wantEnd("a", task.Scheduled, task.CodeNoHandler)
	fx.accept(noHandler(fx.start(task.Spec{ID: "b", Kind: "rar"})))
	fx.wantEnd("b", task.Failed, task.CodeNoHandler)
	fx.join(task.Registration{Replica: "elsewhere", Lease: time.Hour, Queues: map[string]task.QueueConfig{"other": {Workers: 1}},
		Kinds: map[string]task.Policy{"rare": {}}})
	fx.noError(fx.Store.Leave(fx.ctx, "knows"))
	fx.accept(noHandler(fx.start(task.Spec{ID: "c", Kind: "rare"})))
	fx.wantEnd("c", task.Failed, task.CodeNoHandler)
	if c := fx.retry("c"); !c.Done {
		fx.Errorf("retry %+v", c)
	}
}
