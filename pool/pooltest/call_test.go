package pooltest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

func TestCallReturnsTheResult(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	handleSum(p.Pool)
	if got := pooltest.Result[int](t, p.Call(t, Sum{2, 3})); got != 5 {
		t.Errorf("2 + 3 = %d", got)
	}
	if n := len(p.Enqueued()); n != 0 {
		t.Errorf("%d tasks were enqueued", n)
	}
}

func TestCallReturnsTheOutcomeThatThePoolWouldReport(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	for _, c := range []struct {
		err   error
		code  pool.Code
		delay time.Duration
	}{
		{nil, pool.CodeOK, 0},
		{errPost, pool.CodeError, 4 * time.Second}, // the third retry of the default backoff
		{pool.Permanent(errPost), pool.CodePermanent, 0},
		{pool.RetryAfter(errPost, time.Minute), pool.CodeError, time.Minute},
		{pool.Snooze(time.Hour), pool.CodeReleased, time.Hour},
	} {
		p := pooltest.New(t, pool.Config{})
		handleMail(p.Pool, c.err)
		o := p.Call(t, Mail{"a"}, pooltest.Attempt(3))
		if o.Code != c.code || o.Delay != c.delay || !errors.Is(o.Err, c.err) || o.OK() != (c.err == nil) || o.Attempt != 3 {
			t.Errorf("%v: outcome %v, delay %v", c.err, o, o.Delay)
		}
	}
	pool.Handle(p.Pool, func(context.Context, *pool.Task[Mail]) error { panic("no stamps") })
	if o := p.Call(t, Mail{}); o.Code != pool.CodePanic || !strings.Contains(o.Err.Error(), "no stamps") {
		t.Errorf("outcome %v", o)
	}
	if o := p.Call(t, Mail{}, pooltest.Payload([]byte("7"))); o.Code != pool.CodeBadPayload || o.Err == nil {
		t.Errorf("outcome %v", o)
	}
}

func TestOutcomeHasNoDelayWithoutAnotherAttempt(t *testing.T) {
	p := pooltest.New(t, pool.Config{Policies: map[string]pool.Policy{"mail": {MaxAttempts: 2}}})
	handleMail(p.Pool, errPost, errPost, pool.RetryAfter(errPost, time.Minute), errPost, errPost, errPost)
	for _, c := range []struct {
		call  []pooltest.CallOption
		delay time.Duration
	}{
		{nil, time.Second},
		{[]pooltest.CallOption{pooltest.Attempt(2)}, 0},
		{[]pooltest.CallOption{pooltest.Attempt(2)}, 0}, // with a RetryAfter
		{[]pooltest.CallOption{pooltest.Attempt(2), pooltest.With(pool.MaxAttempts(3))}, 2 * time.Second},
	} {
		if o := p.Call(t, Mail{"a"}, c.call...); o.Delay != c.delay {
			t.Errorf("%v: delay %v, want %v", o, o.Delay, c.delay)
		}
	}
	mustEnqueue(t, p, Mail{"a"}, pool.Deadline(time.Hour), pool.RetryBackoff(pool.Backoff{Fixed: true, Base: 2 * time.Hour}))
	mustEnqueue(t, p, Mail{"b"}, pool.MaxAttempts(1))
	mustEnqueue(t, p, Sum{})
	for _, o := range p.Drain(t) {
		if o.OK() || o.Delay != 0 {
			t.Errorf("%v: delay %v", o, o.Delay)
		}
	}
}

func TestCallPassesTheTaskToTheHandler(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	var got pool.Task[Mail]
	pool.Handle(p.Pool, func(_ context.Context, task *pool.Task[Mail]) error {
		got = *task
		task.Logf("mail to %s", task.Args.To)
		return task.SetProgress("half way")
	})
	o := p.Call(t, Mail{"ann"}, pooltest.Attempt(2),
		pooltest.With(pool.ID("x"), pool.Group("acme"), pool.InQueue("post"), pool.Headers(map[string]string{"lang": "fr"})))
	if got.ID != "x" || got.Attempt != 2 || got.Failures != 1 || got.Group != "acme" || got.Queue != "post" ||
		got.Headers["lang"] != "fr" || got.Args.To != "ann" || string(got.Payload) != `{"to":"ann"}` || got.Fence == 0 {
		t.Errorf("task %+v", got)
	}
	if string(o.Progress) != `"half way"` || o.Log != "mail to ann\n" || o.ID != "x" {
		t.Errorf("outcome %+v", o)
	}
}

func TestCallAppliesTimeouts(t *testing.T) {
	p := pooltest.New(t, pool.Config{Policies: map[string]pool.Policy{"mail": {Timeout: time.Hour}}})
	var cause error
	pool.Handle(p.Pool, func(ctx context.Context, _ *pool.Task[Mail]) error {
		<-ctx.Done()
		cause = context.Cause(ctx)
		return cause
	})
	o := p.Call(t, Mail{}, pooltest.With(pool.Timeout(time.Millisecond)))
	if o.Code != pool.CodeTimeout || cause != pool.ErrTimeout {
		t.Errorf("outcome %v, cause %v", o, cause)
	}
}

func TestCallAndDrainApplyTheSameDeadline(t *testing.T) {
	type seen struct {
		Left, Deadline, Ran, Delay time.Duration // Deadline from the attempt's start
		Code                       pool.Code
	}
	until := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(d):
				return errPost
			}
		}
	}
	for _, c := range []struct {
		opts    []pool.Option
		handler func(context.Context) error
		want    seen
	}{
		{[]pool.Option{pool.Deadline(time.Minute)}, until(time.Hour),
			seen{Left: time.Minute, Deadline: time.Minute, Ran: time.Minute, Code: pool.CodeTimeout}},
		{[]pool.Option{pool.Deadline(time.Minute), pool.Timeout(pool.Forever)}, until(time.Hour),
			seen{Left: time.Minute, Deadline: time.Minute, Ran: time.Minute, Code: pool.CodeTimeout}},
		{[]pool.Option{pool.Deadline(time.Hour), pool.Timeout(time.Minute)}, until(time.Hour),
			seen{Left: time.Minute, Deadline: time.Hour, Ran: time.Minute, Delay: time.Second, Code: pool.CodeTimeout}},
		// The deadline passes after the failure and before the retry.
		{[]pool.Option{pool.Deadline(time.Minute)}, until(time.Minute - time.Second/2),
			seen{Left: time.Minute, Deadline: time.Minute, Ran: time.Minute - time.Second/2, Code: pool.CodeError}},
		{[]pool.Option{pool.Deadline(time.Minute)}, until(time.Second),
			seen{Left: time.Minute, Deadline: time.Minute, Ran: time.Second, Delay: time.Second, Code: pool.CodeError}},
	} {
		faketime.Test(t, func(t *testing.T) {
			p := pooltest.New(t, pool.Config{})
			var got seen
			pool.Handle(p.Pool, func(ctx context.Context, task *pool.Task[Mail]) error {
				began := time.Now()
				got = seen{Left: task.TimeLeft, Deadline: task.DeadlineAt.Sub(task.StartedAt)}
				err := c.handler(ctx)
				got.Ran = time.Since(began)
				return err
			})
			compare := func(how string, o pooltest.Outcome) {
				t.Helper()
				got.Code, got.Delay = o.Code, o.Delay
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("%s: %s", how, d)
				}
			}
			compare("Call", p.Call(t, Mail{"a"}, pooltest.With(c.opts...)))
			mustEnqueue(t, p, Mail{"a"}, c.opts...)
			out := p.Drain(t)
			if len(out) != 1 {
				t.Fatalf("%d attempts, want 1", len(out))
			}
			compare("Drain", out[0])
		})
	}
}

func TestCallOfAKindWithoutHandlerFailsTheTest(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	handleSum(p.Pool)
	text := failureOf(t, func(t testing.TB) { p.Call(t, Mail{}) })
	if !strings.Contains(text, `"mail"`) || !strings.Contains(text, "sum") {
		t.Errorf("failure %q", text)
	}
}

func TestResultOfAFailureFailsTheTest(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	handleMail(p.Pool, errPost)
	text := failureOf(t, func(t testing.TB) { pooltest.Result[int](t, p.Call(t, Mail{})) })
	if !strings.Contains(text, errPost.Error()) {
		t.Errorf("failure %q", text)
	}
}
