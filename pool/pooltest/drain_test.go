package pooltest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
	"github.com/ltsworker/ltsworker/task"
)

func TestDrainRunsInOrderUntilNothingCanStart(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	to := handleMail(p.Pool)
	mustEnqueue(t, p, Mail{"a"})
	mustEnqueue(t, p, Mail{"b"}, pool.Priority(1))
	mustEnqueue(t, p, Mail{"later"}, pool.Delay(time.Hour))
	if n := len(p.Drain(t).RequireOK(t)); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	mustEnqueue(t, p, Mail{"c"})
	p.Drain(t).RequireOK(t)
	if d := cmp.Diff([]string{"b", "a", "c"}, *to); d != "" {
		t.Error(d)
	}
	if n := len(p.Drain(t)); n != 0 {
		t.Errorf("%d attempts of nothing", n)
	}
}

func TestDrainRunsTasksThatHandlersEnqueueInAnyQueue(t *testing.T) {
	p := pooltest.New(t, pool.Config{Queues: map[string]pool.Queue{"default": {}, "post": {}, "other": {Workers: 4}}})
	to := handleMail(p.Pool)
	pool.Handle(p.Pool, func(ctx context.Context, task *pool.Task[Sum]) error {
		queue := []string{"post", "other", "default"}[task.Args.B%3]
		_, err := p.Enqueue(ctx, Mail{queue}, pool.InQueue(queue))
		if err == nil && task.Args.B < task.Args.A {
			_, err = p.Enqueue(ctx, Sum{task.Args.A, task.Args.B + 1}, pool.InQueue(queue))
		}
		return err
	})
	mustEnqueue(t, p, Sum{A: 5})
	p.Drain(t).RequireOK(t)
	if len(*to) != 6 {
		t.Errorf("ran %v, want 6", *to)
	}
}

func TestDrainRunsMoreQueuesThanOneExchangeClaimsFrom(t *testing.T) {
	queues := map[string]pool.Queue{}
	for i := range task.MaxQueues + 20 {
		queues[fmt.Sprint("q", i)] = pool.Queue{}
	}
	p := pooltest.New(t, pool.Config{Queues: queues})
	to := handleMail(p.Pool)
	for q := range queues {
		mustEnqueue(t, p, Mail{q}, pool.InQueue(q))
		mustEnqueue(t, p, Mail{q}, pool.InQueue(q))
	}
	p.Drain(t).RequireOK(t)
	if len(*to) != 2*len(queues) {
		t.Errorf("ran %d tasks, want %d", len(*to), 2*len(queues))
	}
}

func TestDrainReturnsEveryAttemptWithItsError(t *testing.T) {
	p := pooltest.New(t, pool.Config{Policies: map[string]pool.Policy{"mail": {MaxAttempts: 2}}})
	handleMail(p.Pool, errPost, nil, pool.Permanent(errPost))
	good := mustEnqueue(t, p, Mail{"a"})
	first := p.Drain(t)
	if len(first) != 1 || !errors.Is(first[0].Err, errPost) || first[0].Code != pool.CodeError || first[0].ID != good.ID || first[0].Delay != time.Second {
		t.Fatalf("outcomes %v", first)
	}
	p.Advance(t, time.Second)
	if second := p.Drain(t).RequireOK(t); len(second) != 1 || second[0].Attempt != 2 {
		t.Fatalf("outcomes %v", second)
	}
	mustEnqueue(t, p, Mail{"b"})
	third := p.Drain(t)
	if len(third) != 1 || third[0].Code != pool.CodePermanent {
		t.Fatalf("outcomes %v", third)
	}
	text := failureOf(t, func(t testing.TB) { third.RequireOK(t) })
	if !strings.Contains(text, "1 of 1 attempts") || !strings.Contains(text, "post office is closed") || !strings.Contains(text, "mail") {
		t.Errorf("failure %q", text)
	}
}

func TestDrainReturnsPanicsAndKindsWithoutHandler(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	pool.Handle(p.Pool, func(context.Context, *pool.Task[Mail]) error { panic("no stamps") })
	mustEnqueue(t, p, Mail{"a"})
	mustEnqueue(t, p, Sum{})
	out := p.Drain(t)
	if len(out) != 2 || out[0].Code != pool.CodePanic || !strings.Contains(out[0].Err.Error(), "no stamps") ||
		out[1].Code != pool.CodeNoHandler || out[1].Err == nil {
		t.Errorf("outcomes %v", out)
	}
}

func TestDrainAppliesLimitsAndPauses(t *testing.T) {
	p := pooltest.New(t, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 4, MaxLen: 2}}})
	to := handleMail(p.Pool)
	if err := p.Pause(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	mustEnqueue(t, p, Mail{"a"})
	mustEnqueue(t, p, Mail{"b"})
	if _, err := p.Enqueue(t.Context(), Mail{"c"}); !errors.Is(err, pool.ErrQueueFull) {
		t.Errorf("the limits of the config hold at once: %v", err)
	}
	if out := p.Drain(t); len(out) != 0 {
		t.Errorf("ran %v although paused", out)
	}
	if err := p.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	p.Drain(t).RequireOK(t)
	slices.Sort(*to)
	if d := cmp.Diff([]string{"a", "b"}, *to); d != "" {
		t.Error(d)
	}
}

func TestDrainCallsOnFinishAndRunsTasksThatItEnqueues(t *testing.T) {
	var ends []string
	var p *pooltest.Pool
	p = pooltest.New(t, pool.Config{OnFinish: func(ctx context.Context, e pool.Event) {
		ends = append(ends, e.Kind+" "+string(e.State))
		if e.State == pool.Stopped {
			mustEnqueue(t, p, Sum{1, 2})
		}
	}})
	handleMail(p.Pool)
	handleSum(p.Pool)
	r := mustEnqueue(t, p, Mail{"a"})
	if _, err := p.Stop(t.Context(), pool.Filter{IDs: []string{r.ID}}, "never mind"); err != nil {
		t.Fatal(err)
	}
	p.Drain(t).RequireOK(t)
	if d := cmp.Diff([]string{"mail stopped", "sum succeeded"}, ends); d != "" {
		t.Error(d)
	}
}

func TestPanicInOnFinishFailsTheTestOnce(t *testing.T) {
	p := pooltest.New(t, pool.Config{OnFinish: func(context.Context, pool.Event) { panic("oh") }})
	handleMail(p.Pool)
	mustEnqueue(t, p, Mail{"a"})
	text := failureOf(t, func(t testing.TB) { p.Drain(t) })
	if !strings.Contains(text, "OnFinish of mail") || !strings.Contains(text, "panic: oh") {
		t.Errorf("failure %q", text)
	}
	if text := failureOf(t, func(t testing.TB) { p.Drain(t) }); text != "" {
		t.Errorf("second drain: %q", text)
	}
}

func TestDrainRunsAsManyTasksAtOnceAsTheConfigAllows(t *testing.T) {
	p := pooltest.New(t, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 2}}})
	met := make(chan struct{})
	pool.Handle(p.Pool, func(context.Context, *pool.Task[Mail]) error {
		select { // one sends, the other receives
		case met <- struct{}{}:
		case <-met:
		}
		return nil
	})
	mustEnqueue(t, p, Mail{"a"})
	mustEnqueue(t, p, Mail{"b"})
	p.Drain(t).RequireOK(t)
}

func TestDrainWithoutHandlersFailsTheTest(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	if text := failureOf(t, func(t testing.TB) { p.Drain(t) }); !strings.Contains(text, "no handlers") {
		t.Errorf("failure %q", text)
	}
}

func TestSecondPoolOnTheStoreHasTheSameTasks(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	to := handleMail(p.Pool)
	front, err := pool.New(p.Store(), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mustEnqueue(t, front, Mail{"front"})
	p.RequireEnqueued(t, Mail{"front"})
	p.Drain(t).RequireOK(t)
	if d := cmp.Diff([]string{"front"}, *to); d != "" {
		t.Error(d)
	}
}

func TestMiddlewareWrapsDrainAndCall(t *testing.T) {
	var seen []string
	p := pooltest.New(t, pool.Config{Middleware: []pool.Middleware{func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, tk *task.Task) ([]byte, error) {
			seen = append(seen, tk.Kind)
			_, err := next(ctx, tk)
			return nil, errors.Join(err, errPost)
		}
	}}})
	handleMail(p.Pool)
	mustEnqueue(t, p, Mail{"a"})
	if out := p.Drain(t); !errors.Is(out[0].Err, errPost) {
		t.Errorf("outcomes %v", out)
	}
	if o := p.Call(t, Mail{"a"}); !errors.Is(o.Err, errPost) {
		t.Errorf("outcome %v", o)
	}
	if len(seen) != 2 {
		t.Errorf("seen %v", seen)
	}
}

func TestLargePayloadsAndResultsPass(t *testing.T) {
	p := pooltest.New(t, pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 8}}})
	pool.HandleResult(p.Pool, func(_ context.Context, task *pool.Task[Mail]) (string, error) {
		return task.Args.To, nil
	})
	var specs []pool.Spec
	for range 16 {
		s, err := pool.NewSpec(Mail{strings.Repeat("x", 300<<10)})
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	if _, err := p.EnqueueAll(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	if out := p.Drain(t).RequireOK(t); len(out) != 16 || len(pooltest.Result[string](t, out[15])) != 300<<10 {
		t.Errorf("%d attempts", len(out))
	}
}
