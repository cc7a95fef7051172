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
	{"ResultIsKeptAndTravelsWhenSmall", resultIsKept},
	{"ReportOnAnEndedAttemptIsRefused", reportOnAnEndedAttempt},
	{"ReportsOfOneCallAreJudgedByTheirFences", reportsOfOneCallAreJudgedByTheirFences},
	{"ReportWithAnOldFenceIsRefused", reportWithAnOldFenceIsRefused},
	{"ReportWithAFenceToComeIsRefused", reportWithAFenceToCome},
	{"ReportOnAMissingTaskSaysGone", reportOnAMissingTaskSaysGone},
	{"ReportBeforeTheClaimIsRefused", reportBeforeTheClaim},
	{"VerdictsKeepTheOrderOfTheReports", verdictsKeepTheOrder},
	{"OneOfTwoReportsOnAnAttemptIsAccepted", twoReportsOnOneAttempt},
	{"SuccessWinsOverAStopRequest", successWinsOverAStopRequest},
	{"NothingIsWrittenAfterDeletion", nothingIsWrittenAfterDeletion},
}

func successWithoutResultLeavesNothing(b *bundle) {
	t := b.start(task.Spec{ID: "x", Group: "g", Unique: "u", Headers: map[string]string{"a": "b"}, Deadline: time.Hour})
	b.accept(succeed(t))
	b.wantNoTrace("x")
	if h := b.history("x"); len(h) != 0 {
		b.Errorf("a success wrote history: %+v", h)
	}
	b.verdict(succeed(t), task.Gone)
}

func resultIsKept(b *bundle) {
	for _, size := range []int{0, 1, task.MaxEventResult, task.MaxEventResult + 1, task.MaxResult} {
		result := bytes.Repeat([]byte{0xff}, size)
		t := b.start(task.Spec{ID: fmt.Sprint("x", size)})
		r := succeed(t)
		r.Result = result
		b.accept(r)
		got := b.wantEnd(t.ID, task.Succeeded, task.CodeOK)
		if !bytes.Equal(got.Result, result) || got.Result == nil {
			b.Errorf("%d bytes: the result is %d bytes", size, len(got.Result))
		}
		es := b.eventsOf(t.ID)
		last := es[len(es)-1]
		if inside := size <= task.MaxEventResult; inside != (last.Result != nil) || inside != (last.ResultBytes == 0) || inside && !bytes.Equal(last.Result, result) {
			b.Errorf("%d bytes: the event carries %d, and says %d", size, len(last.Result), last.ResultBytes)
		}
		if got.EndedAt.IsZero() {
			b.Error("no end time")
		}
	}
}

// everyReport is a report of each kind on the attempt.
func everyReport(t *task.Task) []task.Report {
	r := succeed(t)
	r.Result = []byte("late")
	return []task.Report{r, fail(t, task.CodeError), fail(t, task.CodePermanent), failIn(t, 0), release(t, 0), release(t, time.Hour)}
}

// unchanged lets f run and checks that the task and the stream are as before.
func (b *bundle) unchanged(id string, f func()) {
	b.Helper()
	before, events := b.find(id), len(b.events())
	f()
	if d := cmp.Diff(before, b.find(id), cmpopts.IgnoreUnexported(task.Task{})); d != "" {
		b.Errorf("%s changed (-before +after):\n%s", id, d)
	}
	if n := len(b.events()); n != events {
		b.Errorf("%d more events", n-events)
	}
}

func reportOnAnEndedAttempt(b *bundle) {
	for i, end := range everyReport(&task.Task{}) {
		t := b.start(task.Spec{ID: fmt.Sprint("x", i), Retain: ptr(time.Hour), Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		end.ID, end.Queue, end.Fence = t.ID, t.Queue, t.Fence
		b.accept(end)
		b.unchanged(t.ID, func() {
			b.verdict(end, task.LeaseLost)
			for _, r := range everyReport(t) {
				b.verdict(r, task.LeaseLost)
			}
		})
		b.stop(t.ID)
	}
}

func reportsOfOneCallAreJudgedByTheirFences(b *bundle) {
	t := b.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	stale := *t
	stale.Fence--
	got := b.report(succeed(&stale), succeed(t), succeed(t), succeed(&stale))
	want := []task.Verdict{task.LeaseLost, task.Accepted, task.LeaseLost, task.LeaseLost}
	if d := cmp.Diff(want, got); d != "" {
		b.Error("verdicts (-want +got):\n", d)
	}
}

func reportWithAnOldFenceIsRefused(b *bundle) {
	old := b.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	b.lose(old)
	refused := func() {
		b.Helper()
		b.unchanged("x", func() {
			for _, r := range everyReport(old) {
				b.verdict(r, task.LeaseLost)
			}
			if v := b.renew("r", lease, held(old)...); v[0] != task.LeaseLost {
				b.Errorf("renewal: %s", v[0])
			}
		})
	}
	b.wantState("x", task.Waiting)
	refused()
	now := b.claimAs(task.Exchange{Replica: "s"}, task.DefaultQueue, 1)[0]
	refused()
	r := succeed(now)
	r.Result = []byte("second")
	b.accept(r)
	refused()
	if got := b.wantState("x", task.Succeeded); string(got.Result) != "second" {
		b.Errorf("result %q", got.Result)
	}
}

func reportWithAFenceToCome(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	next := *t
	next.Fence++
	b.unchanged("x", func() {
		for _, r := range everyReport(&next) {
			b.verdict(r, task.LeaseLost)
		}
	})
	b.accept(succeed(t))
}

func reportOnAMissingTaskSaysGone(b *bundle) {
	t := &task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1}
	for _, r := range everyReport(t) {
		b.verdict(r, task.Gone)
	}
	if v := b.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
		b.Errorf("renewal: %s", v[0])
	}
	b.wantNoTrace("none")
}

func reportBeforeTheClaim(b *bundle) {
	b.enqueue(task.Spec{ID: "x"})
	t := b.get("x")
	b.unchanged("x", func() {
		for _, r := range everyReport(t) {
			if v := b.report(r)[0]; v == task.Accepted {
				b.Error("a report on a waiting task was accepted")
			}
		}
	})
}

func verdictsKeepTheOrder(b *bundle) {
	b.enqueueAll(task.Spec{ID: "a"}, task.Spec{ID: "b"}, task.Spec{ID: "c"}, task.Spec{ID: "d"})
	ts := b.claim(task.DefaultQueue, 4)
	stale := *ts[1]
	stale.Fence += 9
	got := b.report(release(ts[0], time.Hour), succeed(&stale), fail(ts[2], task.CodePermanent),
		succeed(ts[1]), release(&task.Task{Spec: task.Spec{ID: "none", Queue: "q"}, Fence: 1}, 0), succeed(ts[3]))
	want := []task.Verdict{task.Accepted, task.LeaseLost, task.Accepted, task.Accepted, task.Gone, task.Accepted}
	if d := cmp.Diff(want, got); d != "" {
		b.Error("verdicts (-want +got):\n", d)
	}
}

// Of two reports on one attempt in one exchange the store accepts one, whichever.
func twoReportsOnOneAttempt(b *bundle) {
	for i, second := range everyReport(&task.Task{}) {
		t := b.start(task.Spec{ID: fmt.Sprint("x", i), Retain: ptr(time.Hour), Backoff: task.Backoff{Fixed: true, Base: time.Hour}})
		second.ID, second.Queue, second.Fence = t.ID, t.Queue, t.Fence
		got := b.report(succeed(t), second)
		accepted := 0
		for _, v := range got {
			if v == task.Accepted {
				accepted++
			}
		}
		if accepted != 1 {
			b.Errorf("%s: verdicts %v", t.ID, got)
		}
		ends := 0
		for _, e := range b.eventsOf(t.ID) {
			if e.Version > t.Version {
				ends++
			}
		}
		if ends != 1 {
			b.Errorf("%s: events %v", t.ID, states(b.eventsOf(t.ID)))
		}
		b.stop(t.ID)
	}
}

func successWinsOverAStopRequest(b *bundle) {
	t := b.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	b.stop("x")
	b.accept(succeed(t))
	b.wantEnd("x", task.Succeeded, task.CodeOK)
}

func nothingIsWrittenAfterDeletion(b *bundle) {
	t := b.start(task.Spec{ID: "x", Group: "g"})
	r := fail(t, task.CodePermanent)
	r.Log = strings.Repeat("log", 100)
	b.accept(r)
	if c := b.remove("x"); !c.Done || c.State != "" {
		b.Errorf("change %+v", c)
	}
	b.wantNoTrace("x")
	for _, r := range everyReport(t) {
		b.verdict(r, task.Gone)
	}
	if v := b.updates(t, "50%", true); v != task.LeaseLost {
		b.Errorf("renewal: %s", v)
	}
	b.stop("x")
	b.retry("x")
	b.maintain()
	b.wantNoTrace("x")
}
