package integration

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Add is a typed task of these tests.
type Add struct{ A, B int }

func (Add) Kind() string { return "add" }

// The value that a handler returns decides the outcome of its task.
func TestOutcomeDecidesWhatBecomesOfATask(t *testing.T) {
	s := newSite(t)
	c := s.client()
	cfg := slots(4)
	cfg.StopGrace, cfg.MaxStuck = 2*time.Second, 10 // on a busy machine, too, a handler returns within the grace
	deaf := make(chan struct{})
	defer close(deaf)
	p := s.pool(cfg)
	boom := errors.New("boom")
	for kind, h := range map[string]pool.Handler{
		"fails twice": func(_ context.Context, tk *task.Task) ([]byte, error) {
			if tk.Failures < 2 {
				return nil, boom
			}
			return []byte("3"), nil
		},
		"always fails": func(context.Context, *task.Task) ([]byte, error) { return nil, boom },
		"permanent":    func(context.Context, *task.Task) ([]byte, error) { return nil, pool.Permanent(boom) },
		"snoozes": func(_ context.Context, tk *task.Task) ([]byte, error) {
			if tk.Attempt < 4 {
				return nil, pool.Snooze(time.Millisecond)
			}
			return nil, nil
		},
		"panics":  func(context.Context, *task.Task) ([]byte, error) { panic("aargh") },
		"goexits": func(context.Context, *task.Task) ([]byte, error) { runtime.Goexit(); return nil, nil },
		"times out": func(ctx context.Context, _ *task.Task) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"ignores its context": func(context.Context, *task.Task) ([]byte, error) { <-deaf; return nil, nil },
	} {
		p.HandleKind(strings.ReplaceAll(kind, " ", "_"), h)
	}
	pool.HandleResult(p, func(_ context.Context, task *pool.Task[Add]) (int, error) { return task.Args.A + task.Args.B, nil })
	s.serve(p)

	for _, tt := range []struct {
		spec     pool.Spec
		state    pool.State
		code     pool.Code
		attempt  int64
		failures int
		history  int
		err      string
	}{
		{pool.Spec{Kind: "fails_twice"}, pool.Succeeded, pool.CodeOK, 3, 2, 2, ""},
		{pool.Spec{Kind: "always_fails", MaxAttempts: 3}, pool.Failed, pool.CodeError, 3, 3, 3, "boom"},
		{pool.Spec{Kind: "permanent"}, pool.Failed, pool.CodePermanent, 1, 1, 1, "boom"},
		{pool.Spec{Kind: "snoozes", MaxAttempts: 1}, pool.Succeeded, pool.CodeOK, 4, 0, 0, ""},
		{pool.Spec{Kind: "panics", MaxAttempts: 1}, pool.Failed, pool.CodePanic, 1, 1, 1, "aargh"},
		{pool.Spec{Kind: "goexits", MaxAttempts: 1}, pool.Failed, pool.CodePanic, 1, 1, 1, "Goexit"},
		{pool.Spec{Kind: "times_out", MaxAttempts: 1, Timeout: 50 * time.Millisecond}, pool.Failed, pool.CodeTimeout, 1, 1, 1, "timed out"},
		{pool.Spec{Kind: "ignores_its_context", MaxAttempts: 1, Timeout: 50 * time.Millisecond}, pool.Failed, pool.CodeTimeoutAbandoned, 1, 1, 1, "did not return"},
		{pool.Spec{Kind: "add", Payload: []byte(`{"A":"one"}`)}, pool.Failed, pool.CodeBadPayload, 1, 1, 1, "payload"},
		{pool.Spec{Kind: "always_fails", Deadline: time.Minute, Backoff: pool.Backoff{Fixed: true, Base: time.Hour}},
			pool.Failed, pool.CodeDeadline, 1, 1, 1, "boom"},
	} {
		t.Run(tt.spec.Kind, func(t *testing.T) {
			spec := tt.spec
			if spec.Backoff == (pool.Backoff{}) {
				spec.Backoff = pool.Backoff{Fixed: true, Base: time.Millisecond}
			}
			spec.Retain = new(time.Hour)
			id := enqueue(t, c, spec)
			task := await(t, c, id)
			if task.State != tt.state || task.Code != tt.code || task.Attempt != tt.attempt || task.Failures != tt.failures {
				t.Errorf("%s %s after %d attempts and %d failures; want %s %s, %d and %d",
					task.State, task.Code, task.Attempt, task.Failures, tt.state, tt.code, tt.attempt, tt.failures)
			}
			if !strings.Contains(task.Error, tt.err) {
				t.Errorf("the error is %q, want %q in it", task.Error, tt.err)
			}
			if h, err := c.History(t.Context(), id); err != nil || len(h) != tt.history {
				t.Errorf("history %+v, %v; want %d attempts", h, err, tt.history)
			}
			_, err := pool.Result[any](t.Context(), c, id)
			var te *pool.TaskError
			if failed := errors.As(err, &te); failed != (tt.state != pool.Succeeded) {
				t.Errorf("Result: %v", err)
			}
		})
	}
}

// Middleware wraps every handler, the first outermost. It receives the
// handler's return value.
func TestMiddlewareWrapsEveryHandler(t *testing.T) {
	s := newSite(t)
	var mu sync.Mutex
	var calls []string
	wrap := func(name string) pool.Middleware {
		return func(next pool.Handler) pool.Handler {
			return func(ctx context.Context, tk *task.Task) ([]byte, error) {
				mu.Lock()
				calls = append(calls, name)
				mu.Unlock()
				result, err := next(ctx, tk)
				mu.Lock()
				calls = append(calls, name+" saw "+string(result))
				mu.Unlock()
				return result, err
			}
		}
	}
	cfg := slots(1)
	cfg.Middleware = []pool.Middleware{wrap("outer"), wrap("inner")}
	p := s.pool(cfg)
	pool.HandleResult(p, func(_ context.Context, task *pool.Task[Add]) (int, error) { return task.Args.A + task.Args.B, nil })
	s.serve(p)
	r, err := p.Enqueue(t.Context(), Add{2, 3})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if sum, err := pool.Wait[int](ctx, p, r.ID); sum != 5 || err != nil {
		t.Error(sum, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff([]string{"outer", "inner", "inner saw 5", "outer saw 5"}, calls); d != "" {
		t.Error(d)
	}
}

// A kind that only one of two replicas handles runs there, without using its
// error budget. A task of a kind that no live replica handles fails.
func TestUnknownKindGoesToTheReplicaThatKnowsIt(t *testing.T) {
	t.Parallel() // it mostly waits
	const tasks = 20
	s := newSite(t)
	c := s.client()
	// The replica without a handler joins first and has more slots.
	s.replicas(1, slots(10), "other", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	knows := s.pool(slots(10))
	var g gauge
	knows.HandleKind("rare", func(context.Context, *task.Task) ([]byte, error) { g.enter(); return nil, nil })
	stop := s.serve(knows)
	s.awaitReplicas(2)
	var ids []string
	for range tasks {
		ids = append(ids, enqueue(t, c, pool.Spec{Kind: "rare", MaxAttempts: 1, Retain: new(time.Hour)}))
	}
	for _, id := range ids {
		if task := await(t, c, id); task.State != pool.Succeeded || task.Failures != 0 {
			t.Errorf("the task is %s (%s) after %d failures", task.State, task.Code, task.Failures)
		}
	}
	if _, _, starts := g.read(); starts != tasks {
		t.Errorf("%d starts, want %d", starts, tasks)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	orphan := await(t, c, enqueue(t, c, pool.Spec{Kind: "rare"}))
	if orphan.State != pool.Failed || orphan.Code != pool.CodeNoHandler {
		t.Errorf("a task of a kind that no replica handles is %s (%s)", orphan.State, orphan.Code)
	}
	// When a replica handles the kind again, an operator can retry the task.
	back := s.pool(slots(1))
	back.HandleKind("rare", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.serve(back)
	s.awaitReplicas(2)
	if n, err := c.Retry(t.Context(), pool.Filter{IDs: []string{orphan.ID}}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if task := await(t, c, orphan.ID); task.State != pool.Succeeded {
		t.Errorf("the retried task is %s (%s)", task.State, task.Code)
	}
}
