package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var outsideReportRules = []rule{
	{"ReportFromOutsideEndsTheAttempt", reportEndsTheAttempt},
	{"ReportOfAFailureIsRetriedByThePolicy", reportOfAFailure},
	{"ReportOfProgressKeepsTheTask", reportOfProgress},
	{"ReportReleasesTheTask", reportReleases},
	{"RepeatedReportIsAcceptedAgain", repeatedReport},
	{"UnknownTokenChangesNothing", unknownTokenChangesNothing},
	{"ReportBeforeTheHandlerReturnsWins", reportBeforeTheReturn},
	{"ReportCancelsTheHandler", reportCancels},
	{"ReportOfARunningTaskToStopFollowsTheHandlersRules", reportOfATaskToStop},
	{"LossEndsTheToken", lossEndsTheToken},
	{"OneOfManyReportsWins", oneOfManyReports},
	{"InvalidReportIsRefused", invalidReport},
	{"TokenIsNotStored", tokenIsNotStored},
}

// wantNoTraceBut is wantNoTrace for a task whose traces may include keys that begin so.
func (fx *fixture) wantNoTraceBut(id, prefix string) {
	fx.Helper()
	left := slices.DeleteFunc(fx.Traces(fx, id), func(s string) bool { return strings.HasPrefix(s, prefix) })
	if len(left) > 0 {
		fx.Errorf("the removed task %s left %v", id, left)
	}
}

func reportEndsTheAttempt(fx *fixture) {
	for name, c := range map[string]struct {
		r     task.OutsideReport
		state task.State
		code  task.Code
	}{
		"ok":        {task.OutsideReport{State: task.ReportSucceeded}, task.Succeeded, task.CodeOK},
		"result":    {task.OutsideReport{State: task.ReportSucceeded, Result: []byte(`{"n":3}`)}, task.Succeeded, task.CodeOK},
		"permanent": {task.OutsideReport{State: task.ReportFailed, Error: "no such video", Permanent: true}, task.Failed, task.CodePermanent},
	} {
		_, token := fx.outside(task.Spec{ID: name, Retain: ptr(time.Hour), Headers: map[string]string{"a": "b"}, Unique: name, Reply: true}, time.Hour)
		fx.deliver(token, c.r)
		got := fx.wantEnd(name, c.state, c.code)
		if string(got.Result) != string(c.r.Result) || got.Error != c.r.Error || !got.OutsideUntil.IsZero() {
			fx.Errorf("%s: %+v", name, got)
		}
		es := fx.eventsOf(name)
		if e := es[len(es)-1]; e.State != c.state || e.Code != c.code || e.Replica != "r" || e.Meta["a"] != "b" || e.Error != c.r.Error {
			fx.Errorf("%s: event %+v", name, e)
		}
		if replies, _ := fx.Replies(fx, name); len(replies) != 1 {
			fx.Errorf("%s: replies %v", name, replies)
		}
		if r := fx.enqueueAll(task.Spec{ID: name + "2", Unique: name})[0]; r.Duplicate {
			fx.Errorf("%s: the unique key is still held: %+v", name, r)
		}
		fx.stop(name + "2")
	}
}

func reportOfAFailure(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x", MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Hour}}, time.Hour)
	fx.deliver(token, task.OutsideReport{State: task.ReportFailed, Error: "away"})
	got := fx.wantEnd("x", task.Scheduled, task.CodeError)
	if in := got.DueAt.Sub(fx.Now(fx)); in < 59*time.Minute || got.Failures != 1 || got.Error != "away" {
		fx.Errorf("due in %v, %d failures, error %q", in, got.Failures, got.Error)
	}
	_, token = fx.outside(task.Spec{ID: "y"}, time.Hour)
	fx.deliver(token, task.OutsideReport{State: task.ReportFailed, Error: "away", DelaySet: true})
	fx.wantEnd("y", task.Waiting, task.CodeError)
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "y")
}

func reportOfProgress(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	before := fx.get("x")
	for _, p := range []string{"0.1", "0.4"} {
		fx.deliver(token, task.OutsideReport{State: task.ReportProgress, Progress: []byte(p)})
		got := fx.wantState("x", task.Running)
		if string(got.Progress) != p || got.Version != before.Version || !got.OutsideUntil.Equal(before.OutsideUntil) {
			fx.Errorf("%+v", got)
		}
	}
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
	fx.unknownToken(token, task.OutsideReport{State: task.ReportProgress, Progress: []byte("0.9")})
}

func reportReleases(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.deliver(token, task.OutsideReport{State: task.ReportReleased, Delay: time.Hour})
	if got := fx.wantEnd("x", task.Scheduled, task.CodeReleased); got.Failures != 0 {
		fx.Errorf("%d failures", got.Failures)
	}
	_, token = fx.outside(task.Spec{ID: "y"}, time.Hour)
	fx.deliver(token, task.OutsideReport{State: task.ReportReleased})
	fx.wantEnd("y", task.Scheduled, task.CodeReleased) // not at once, so that it does not start again and again
}

func repeatedReport(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x", Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}}, time.Hour)
	failure := task.OutsideReport{State: task.ReportFailed, Error: "away", DelaySet: true}
	fx.deliver(token, failure)
	fx.unchanged("x", func() {
		fx.deliver(token, failure)
		for _, other := range []task.OutsideReport{
			{State: task.ReportSucceeded}, {State: task.ReportFailed, Error: "other", DelaySet: true},
			{State: task.ReportFailed, Error: "away", Permanent: true}, {State: task.ReportFailed, Error: "away"},
		} {
			fx.unknownToken(token, other)
		}
	})
	next := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(next, "x")
	second := fx.token(next[0])
	fx.deliver(token, failure) // a report that is repeated late does not end the next attempt
	fx.wantState("x", task.Running)
	fx.deliver(second, task.OutsideReport{State: task.ReportSucceeded})
	fx.deliver(second, task.OutsideReport{State: task.ReportSucceeded}) // the task is gone
	fx.unknownToken(second, task.OutsideReport{State: task.ReportSucceeded, Result: []byte("1")})
	fx.heartbeat(task.Renewal{}) // removes the request to cancel the handler
	fx.wantNoTraceBut("x", "reported:")
}

func unknownTokenChangesNothing(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.start(task.Spec{ID: "runs"})
	fx.enqueue(task.Spec{ID: "waits"})
	fx.unchanged("x", func() {
		for _, wrong := range []string{
			"", "x", "?", token[:len(token)-1], token + "A", strings.ToUpper(token), task.NewToken("x"), task.NewToken("runs"),
			task.NewToken("waits"), task.NewToken("none"), strings.Repeat("A", 100_000),
		} {
			fx.unknownToken(wrong, task.OutsideReport{State: task.ReportSucceeded})
		}
	})
	fx.wantState("runs", task.Running)
	fx.wantState("waits", task.Waiting)
	fx.wantNoTrace("none")
}

func reportBeforeTheReturn(fx *fixture) {
	for name, late := range map[string]func(*task.Task) task.Report{
		"detach": func(t *task.Task) task.Report { return detached(t, time.Hour) }, "success": succeed,
		"failure": func(t *task.Task) task.Report { return fail(t, task.CodeError) },
	} {
		ts := fx.startAll(2, task.Spec{ID: name, Retain: ptr(time.Hour)})
		fx.deliver(fx.token(ts[0]), task.OutsideReport{State: task.ReportSucceeded, Result: []byte("1")})
		fx.unchanged(ts[0].ID, func() { fx.verdict(late(ts[0]), task.LeaseLost) })
		if got := fx.wantEnd(ts[0].ID, task.Succeeded, task.CodeOK); string(got.Result) != "1" {
			fx.Errorf("%s: result %q", name, got.Result)
		}
		if v := fx.renew("r", lease, held(ts[1])...); v[0] != task.Kept {
			fx.Errorf("%s: the other attempt of the claim: %s", name, v[0])
		}
		fx.accept(succeed(ts[1]))
	}
}

// The replica of an attempt that a report has ended gets a signal. Its exchanges return the
// attempt until a renewal has returned it.
func reportCancels(fx *fixture) {
	for _, r := range []task.OutsideReport{{State: task.ReportSucceeded}, {State: task.ReportFailed, DelaySet: true}, {State: task.ReportReleased, Delay: time.Hour}} {
		ts := fx.startAll(2, task.Spec{ID: string(r.State)})
		token := fx.token(ts[1])
		fx.deliver(token, task.OutsideReport{State: task.ReportProgress, Progress: []byte("1")})
		if got := fx.send(task.Exchange{}).Stops; len(got) > 0 {
			fx.Errorf("%s: stops %v before the report", r.State, got)
		}
		fx.Signals(fx, "r")
		fx.deliver(token, r)
		if got := fx.Signals(fx, "r"); !slices.Contains(got, "stop") {
			fx.Errorf("%s: signals %v", r.State, got)
		}
		want := []task.Attempt{{ID: ts[1].ID, Fence: ts[1].Fence, Reported: true}}
		for range 2 {
			if got := fx.send(task.Exchange{}).Stops; !slices.Equal(got, want) {
				fx.Errorf("%s: an exchange returns the stops %v", r.State, got)
			}
		}
		for _, want := range [][]task.Attempt{want, nil} {
			if got := fx.heartbeat(task.Renewal{Held: held(ts[0])}).Stops; !slices.Equal(got, want) {
				fx.Errorf("%s: a renewal returns the stops %v, want %v", r.State, got, want)
			}
		}
		fx.accept(succeed(ts[0]))
		fx.stop(ts[1].ID)
	}
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
	if got := fx.send(task.Exchange{}).Stops; len(got) > 0 {
		fx.Errorf("stops %v of an attempt that was outside", got)
	}
}

func reportOfATaskToStop(fx *fixture) {
	for id, want := range map[task.ReportState]task.State{
		task.ReportSucceeded: task.Succeeded, task.ReportFailed: task.Stopped, task.ReportReleased: task.Stopped,
	} {
		t := fx.start(task.Spec{ID: string(id), Retain: ptr(time.Hour)})
		token := fx.token(t)
		fx.stop(t.ID)
		fx.deliver(token, task.OutsideReport{State: id})
		fx.wantState(t.ID, want)
		fx.wantStops("r", nil)
	}
}

func lossEndsTheToken(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	token := fx.token(t)
	fx.loseLeases(t)
	fx.unchanged("x", func() { fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded}) })
	again := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(again, "x")
	fx.unchanged("x", func() { fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded}) })
	fx.accept(release(again[0], 0))
}

func oneOfManyReports(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x", Retain: ptr(time.Hour)}, time.Hour)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 10 {
		wg.Go(func() {
			err := fx.Store.Report(fx.ctx, token, task.OutsideReport{State: task.ReportSucceeded, Result: []byte{byte('0' + i)}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, task.ErrUnknownToken):
				fx.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		fx.Errorf("%d of ten different reports were accepted", won)
	}
	fx.wantEnd("x", task.Succeeded, task.CodeOK)
}

func invalidReport(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.unchanged("x", func() {
		for field, r := range map[string]task.OutsideReport{
			"state":     {},
			"result":    {State: task.ReportFailed, Result: []byte("1")},
			"error":     {State: task.ReportSucceeded, Error: "no"},
			"permanent": {State: task.ReportReleased, Permanent: true},
			"delay":     {State: task.ReportFailed, Delay: -1, DelaySet: true},
			"progress":  {State: task.ReportProgress},
		} {
			err := fx.Store.Report(fx.ctx, token, r)
			var f *task.FieldError
			if !errors.As(err, &f) || f.Field != field || strings.Contains(err.Error(), token) {
				fx.Errorf("%s: %v", field, err)
			}
		}
	})
}

func tokenIsNotStored(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	token := fx.token(t)
	stored := func(when string) {
		fx.Helper()
		if found := fx.Traces(fx, token); len(found) > 0 {
			fx.Errorf("%s: the token is in %v", when, found)
		}
	}
	stored("running")
	fx.accept(detached(t, time.Hour))
	stored("outside")
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
	stored("ended")
}
