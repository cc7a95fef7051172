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

func failureIsRetried(b *bundle) {
	t := b.start(task.Spec{ID: "x", MaxAttempts: 3})
	for i := 1; i < 3; i++ {
		b.accept(failIn(t, 0))
		got := b.wantState("x", task.Waiting)
		if got.Failures != i || got.Code != task.CodeError || got.Error != "it broke" {
			b.Errorf("after failure %d: %+v", i, got)
		}
		t = b.claim(task.DefaultQueue, 1)[0]
	}
	b.accept(failIn(t, 0))
	if got := b.wantEnd("x", task.Failed, task.CodeError); got.Failures != 3 || got.Error != "it broke" {
		b.Errorf("at the end: %+v", got)
	}
}

func finalCodesAreNeverRetried(b *bundle) {
	for _, code := range []task.Code{task.CodePermanent, task.CodeBadPayload} {
		t := b.start(task.Spec{ID: string(code)})
		b.accept(fail(t, code))
		b.wantEnd(t.ID, task.Failed, code)
	}
	for _, code := range []task.Code{task.CodeError, task.CodePanic, task.CodeTimeout, task.CodeTimeoutAbandoned} {
		t := b.start(task.Spec{ID: string(code)})
		r := fail(t, code)
		r.Delay, r.DelaySet = time.Hour, true
		b.accept(r)
		b.wantEnd(t.ID, task.Scheduled, code)
	}
}

func delayOfTheReport(b *bundle) {
	t := b.start(task.Spec{ID: "x", Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	b.accept(failIn(t, time.Minute))
	if got := b.get("x"); got.DueAt.Sub(b.Now(b)) > time.Minute {
		b.Errorf("due in %v", got.DueAt.Sub(b.Now(b)))
	}
	t = b.start(task.Spec{ID: "y", Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
	before := b.Now(b)
	b.accept(fail(t, task.CodeError))
	if wait := b.get("y").DueAt.Sub(before); wait < time.Hour || wait > time.Hour+time.Minute {
		b.Errorf("due in %v", wait)
	}
}

func backoffStaysInItsBounds(b *bundle) {
	const n = 60
	specs := make([]task.Spec, n)
	for i := range specs {
		specs[i] = task.Spec{ID: fmt.Sprint("t", i), MaxAttempts: 1000,
			Backoff: task.Backoff{Base: time.Minute, Max: 3 * time.Minute}}
	}
	b.enqueueAll(specs...)
	ts := b.claim(task.DefaultQueue, n)
	for try, most := range []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute} {
		reports := make([]task.Report, n)
		for i, t := range ts {
			reports[i] = fail(t, task.CodeError)
		}
		before := b.Now(b)
		b.report(reports...)
		after := b.Now(b)
		different := map[time.Duration]bool{}
		for _, t := range ts {
			got := b.get(t.ID)
			if got.DueAt.Before(before) || got.DueAt.Sub(after) > most {
				b.Errorf("retry %d waits %v", try+1, got.DueAt.Sub(before))
			}
			different[got.DueAt.Sub(before)] = true
		}
		if len(different) < n/2 {
			b.Errorf("retry %d: only %d different waits", try+1, len(different))
		}
		// Running again, with as many failures.
		for i, t := range ts {
			b.stop(t.ID)
			b.remove(t.ID)
			specs[i].ID = fmt.Sprintf("t%d-%d", try, i)
		}
		b.enqueueAll(specs...)
		ts = b.claim(task.DefaultQueue, n)
		for range try + 1 {
			for i, t := range ts {
				reports[i] = failIn(t, 0)
			}
			b.report(reports...)
			ts = b.claim(task.DefaultQueue, n)
		}
	}
}

func policyOfTheKindApplies(b *bundle) {
	b.join(task.Registration{Replica: "r", Kinds: map[string]task.Policy{
		"once": {MaxAttempts: 1}, "fixed": {Backoff: task.Backoff{Fixed: true, Base: time.Hour}},
	}})
	b.accept(fail(b.start(task.Spec{ID: "a", Kind: "once"}), task.CodeError))
	b.wantEnd("a", task.Failed, task.CodeError)
	b.accept(failIn(b.start(task.Spec{ID: "b", Kind: "once", MaxAttempts: 2}), time.Hour))
	b.wantState("b", task.Scheduled)
	before := b.Now(b)
	b.accept(fail(b.start(task.Spec{ID: "c", Kind: "fixed"}), task.CodeError))
	if wait := b.wantState("c", task.Scheduled).DueAt.Sub(before); wait < time.Hour {
		b.Errorf("due in %v", wait)
	}
}

func releaseUsesNoAttempt(b *bundle) {
	t := b.start(task.Spec{ID: "x", MaxAttempts: 1})
	for range 5 {
		b.accept(release(t, 0))
		t = b.claim(task.DefaultQueue, 1)[0]
	}
	if got := b.get("x"); got.Failures != 0 || got.Lost != 0 {
		b.Errorf("after releases: %+v", got)
	}
	if h := b.history("x"); len(h) != 0 {
		b.Errorf("releases wrote history: %+v", h)
	}
	b.accept(release(t, time.Hour))
	if got := b.wantState("x", task.Scheduled); got.Code != task.CodeReleased {
		b.Errorf("code %s", got.Code)
	}
	b.wantIDs(b.claim(task.DefaultQueue, 1))
}

func historyKeepsTheLastTen(b *bundle) {
	t := b.start(task.Spec{ID: "x", MaxAttempts: 20})
	for i := range 14 {
		r := failIn(t, 0)
		r.Error, r.Log = fmt.Sprint("error ", i), "log\x00\n\"é"
		b.accept(r)
		t = b.claim(task.DefaultQueue, 1)[0]
	}
	h := b.history("x")
	if len(h) != task.MaxHistory {
		b.Fatalf("%d entries", len(h))
	}
	for i, a := range h {
		if a.Attempt != int64(5+i) || a.Error != fmt.Sprint("error ", 4+i) || a.Code != task.CodeError || a.Replica != "r" ||
			a.Log != "log\x00\n\"é" || a.At.IsZero() || a.Run < 0 {
			b.Errorf("entry %d: %+v", i, a)
		}
	}
}

func unknownKind(b *bundle) {
	serves := map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}
	b.join(task.Registration{Replica: "knows", Lease: time.Hour, Queues: serves, Kinds: map[string]task.Policy{"rare": {}, "rarer": {}}})
	b.join(task.Registration{Replica: "r", Lease: time.Hour, Kinds: map[string]task.Policy{"k": {}}})
	noHandler := func(t *task.Task) task.Report {
		r := release(t, time.Hour)
		r.Code = task.CodeNoHandler
		return r
	}
	b.accept(noHandler(b.start(task.Spec{ID: "a", Kind: "rare"})))
	b.wantEnd("a", task.Scheduled, task.CodeNoHandler)
	b.accept(noHandler(b.start(task.Spec{ID: "b", Kind: "rar"})))
	b.wantEnd("b", task.Failed, task.CodeNoHandler)
	b.join(task.Registration{Replica: "elsewhere", Lease: time.Hour, Queues: map[string]task.QueueConfig{"other": {Workers: 1}},
		Kinds: map[string]task.Policy{"rare": {}}})
	b.ok(b.Store.Leave(b.ctx, "knows"))
	b.accept(noHandler(b.start(task.Spec{ID: "c", Kind: "rare"})))
	b.wantEnd("c", task.Failed, task.CodeNoHandler)
	if c := b.retry("c"); !c.Done {
		b.Errorf("retry %+v", c)
	}
}
