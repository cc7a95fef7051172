package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/task"
)

var reportRules = []rule{
	{"SuccessWithoutResultLeavesNothing", successWithoutResultLeavesNothing},
	{"ResultIsKeptAndInItsEventIfSmall", resultIsKept},
	{"ReportOnAnEndedAttemptIsRefused", reportOnAnEndedAttempt},
	{"ReportsOfOneCallAreJudgedByTheirFences", reportsOfOneCallAreJudgedByTheirFences},
	{"ReportWithAnOldFenceIsRefused", reportWithAnOldFenceIsRefused},
	{"ReportWithAFutureFenceIsRefused", reportWithAFutureFence},
	{"ReportOnAMissingTaskIsAnsweredGone", reportOnAMissingTask},
	{"ReportBeforeTheClaimIsRefused", reportBeforeTheClaim},
	{"VerdictsKeepTheOrderOfTheReports", verdictsKeepTheOrder},
	{"OneOfTwoReportsOnAnAttemptIsAccepted", twoReportsOnOneAttempt},
	{"SuccessWinsOverAStopRequest", successWinsOverAStopRequest},
	{"NothingIsWrittenAfterDeletion", nothingIsWrittenAfterDeletion},
}

func successWithoutResultLeavesNothing(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Group: "g", Unique: "u", Headers: map[string]string{"a": "b"}, Deadline: time.Hour})
	fx.accept(succeed(t))
	fx.wantNoTrace("x")
	if h := fx.history("x"); len(h) != 0 {
		fx.Errorf("a success wrote history: %+v", h)
	}
	fx.verdict(succeed(t), task.Gone)
}

func resultIsKept(fx *fixture) {
	for _, size := range []int{0, 1, task.MaxEventResult, task.MaxEventResult + 1, task.MaxResult} {
		result := bytes.Repeat([]byte{0xff}, size)
		t := fx.start(task.Spec{ID: fmt.Sprint("x", size)})
		r := succeed(t)
		r.Result = result
		fx.accept(r)
		got := fx.wantEnd(t.ID, task.Succeeded, task.CodeOK)
		if !bytes.Equal(got.Result, result) || got.Result == nil {
			fx.Errorf("%d bytes: the result is %d bytes", size, len(got.Result))
		}
		es := fx.eventsOf(t.ID)
		last := es[len(es)-1]
		if inside := size <= task.MaxEventResult; inside != (last.Result != nil) || inside != (last.ResultBytes == 0) || inside && !bytes.Equal(last.Result, result) {
			fx.Errorf("%d bytes: the event carries %d, and says %d", size, len(last.Result), last.ResultBytes)
		}
		if got.EndedAt.IsZero() {
			fx.Error("no end time")
		}
	}
}

// everyReport returns one report of each kind on the attempt.
func everyReport(t *task.Task) []task.Report {
	r := succeed(t)
	r.Result = []byte("late")
	meta := task.Meta{"late": "meta"}
	return []task.Report{withMeta(succeed(t), meta), withMeta(failIn(t, 0), meta), withMeta(release(t, 0), meta), r, fail(t, task.CodeError), fail(t, task.CodePermanent), failIn(t, 0), release(t, 0), release(t, time.Hour)}
}

// unchanged calls f and checks that it changed neither the task nor the event stream.
func (fx *fixture) unchanged(id string, f func()) {
	fx.Helper()
	before, events := fx.find(id), len(fx.events())
	f()
	if d := cmp.Diff(before, fx.find(id), cmpopts.IgnoreUnexported(task.Task{})); d != "" {
		fx.Errorf("%s changed (-before +after):\n%s", id, d)
	}
	if n := len(fx.events()); n != events {
		fx.Errorf("%d more events", n-events)
	}
}

func reportOnAnEndedAttempt(fx *fixture) {
	for i, end := range everyReport(&task.Task{}) {
		t := fx.start(task.Spec{ID: fmt.Sprint("x", i), Retain: ptr(time.Hour), Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		end.ID, end.Queue, end.Fence = t.ID, t.Queue, t.Fence
		fx.accept(end)
		fx.unchanged(t.ID, func() {
			fx.verdict(end, task.LeaseLost)
			for _, r := range everyReport(t) {
				fx.verdict(r, task.LeaseLost)
			}
		})
		fx.stop(t.ID)
	}
}

func reportsOfOneCallAreJudgedByTheirFences(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	stale := *t
	stale.Fence--
	got := fx.report(succeed(&stale), succeed(t), succeed(t), succeed(&stale))
	want := []task.Verdict{task.LeaseLost, task.Accepted, task.LeaseLost, task.LeaseLost}
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("verdicts (-want +got):\n", d)
	}
}

func reportWithAnOldFenceIsRefused(fx *fixture) {
	old := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	fx.loseLeases(old)
	refused := func() {
		fx.Helper()
		fx.unchanged("x", func() {
			for _, r := range everyReport(old) {
				fx.verdict(r, task.LeaseLost)
			}
			if v := fx.renew("r", lease, held(old)...); v[0] != task.LeaseLost {
				fx.Errorf("renewal: %s", v[0])
			}
		})
	}
	fx.wantState("x", task.Waiting)
	refused()
	now := fx.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)[0]
	refused()
	r := succeed(now)
	r.Result = []byte("second")
	fx.accept(r)
	refused()
	if got := fx.wantState("x", task.Succeeded); string(got.Result) != "second" {
		fx.Errorf("result %q", got.Result)
	}
}

func reportWithAFutureFence(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	next := *t
	next.Fence++
	fx.unchanged("x", func() {
		for _, r := range everyReport(&next) {
			fx.verdict(r, task.LeaseLost)
		}
	})
	fx.accept(succeed(t))
}

func reportOnAMissingTask(fx *fixture) {
	t := &task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1}
	for _, r := range everyReport(t) {
		fx.verdict(r, task.Gone)
	}
	if v := fx.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.wantNoTrace("none")
}

func reportBeforeTheClaim(fx *fixture) {
	fx.enqueue(task.Spec{ID: "x"})
	t := fx.get("x")
	fx.unchanged("x", func() {
		for _, r := range everyReport(t) {
			if v := fx.report(r)[0]; v == task.Accepted {
				fx.Error("a report on a waiting task was accepted")
			}
		}
	})
}

func verdictsKeepTheOrder(fx *fixture) {
	fx.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"}, task.Spec{ID: "d"})
	ts := fx.claim(task.DefaultQueue, 4)
	stale := *ts[1]
	stale.Fence += 9
	got := fx.report(release(ts[0], time.Hour), succeed(&stale), fail(ts[2], task.CodePermanent),
		succeed(ts[1]), release(&task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1}, 0), succeed(ts[3]))
	want := []task.Verdict{task.Accepted, task.LeaseLost, task.Accepted, task.Accepted, task.Gone, task.Accepted}
	if d := cmp.Diff(want, got); d != "" {
		fx.Error("verdicts (-want +got):\n", d)
	}
}

// If one exchange contains two reports on one attempt, the store accepts either of
// them, not both.
func twoReportsOnOneAttempt(fx *fixture) {
	for i, second := range everyReport(&task.Task{}) {
		t := fx.start(task.Spec{ID: fmt.Sprint("x", i), Retain: ptr(time.Hour), Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		second.ID, second.Queue, second.Fence = t.ID, t.Queue, t.Fence
		got := fx.report(succeed(t), second)
		accepted := 0
		for _, v := range got {
			if v == task.Accepted {
				accepted++
			}
		}
		if accepted != 1 {
			fx.Errorf("%s: verdicts %v", t.ID, got)
		}
		ends := 0
		for _, e := range fx.eventsOf(t.ID) {
			if e.Version > t.Version {
				ends++
			}
		}
		if ends != 1 {
			fx.Errorf("%s: events %v", t.ID, states(fx.eventsOf(t.ID)))
		}
		fx.stop(t.ID)
	}
}

func successWinsOverAStopRequest(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	fx.stop("x")
	fx.accept(succeed(t))
	fx.wantEnd("x", task.Succeeded, task.CodeOK)
}

func nothingIsWrittenAfterDeletion(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Group: "g"})
	r := fail(t, task.CodePermanent)
	r.Log = strings.Repeat("log", 100)
	fx.accept(r)
	if c := fx.remove("x"); !c.Done || c.State != "" {
		fx.Errorf("change %+v", c)
	}
	fx.wantNoTrace("x")
	for _, r := range everyReport(t) {
		fx.verdict(r, task.Gone)
	}
	if v := fx.sendUpdate(t, "50%", true); v != task.LeaseLost {
		fx.Errorf("renewal: %s", v)
	}
	fx.stop("x")
	fx.retry("x")
	fx.maintain()
	fx.wantNoTrace("x")
}
