package worker

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ltsworker/ltsworker/task"
)

func TestHandlePanicsAfterRunOrClose(t *testing.T) {
	for name, begin := range map[string]func(tr *testReplica){
		"runs":    func(tr *testReplica) { tr.run() },
		"has run": func(tr *testReplica) { tr.run(); tr.shutDown() },
		"closed":  func(tr *testReplica) { tr.r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", noop)
				begin(tr)
				defer tr.r.Close()
				defer func() {
					if v := recover(); v != "worker: Handle(late) after Run or Close" {
						t.Errorf("it panicked with %v", v)
					}
				}()
				tr.r.Handle("late", noop)
			})
		})
	}
}

func TestRunReturnsAllHandlerErrorsWithoutCallingTheStore(t *testing.T) {
	tr := newTestReplica(t, Config{})
	if err := tr.r.Run(t.Context()); err == nil {
		t.Error("it ran without a handler")
	}
	tr = newTestReplica(t, Config{})
	tr.r.Handle("bad kind", noop)
	tr.r.Handle("empty", nil)
	tr.r.Handle("twice", noop)
	tr.r.Handle("twice", noop)
	wantFields(t, tr.r.Run(t.Context()), "handlers.bad kind", "handlers.empty", "handlers.twice")
	if len(tr.store.calls) != 0 {
		t.Error("the store was called")
	}
}

func TestFirstMiddlewareIsOutermostForEveryHandler(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		var trail []string
		tag := func(name string) task.Middleware {
			return func(next task.Handler) task.Handler {
				return func(ctx context.Context, tk *task.Task) ([]byte, error) {
					trail = append(trail, name)
					return next(ctx, tk)
				}
			}
		}
		tr := newTestReplica(t, Config{Middleware: []task.Middleware{tag("outer"), tag("inner")}})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			trail = append(trail, "handler")
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		if len(trail) != 3 || trail[0] != "outer" || trail[1] != "inner" || trail[2] != "handler" {
			t.Errorf("called in the order %v", trail)
		}
		tr.shutDown()
	})
}

func TestHandlerContextHasTheValuesOfRunsContext(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		type key struct{}
		tr := newTestReplica(t, Config{})
		var got any
		tr.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			got = ctx.Value(key{})
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "here"))
		go func() { defer close(tr.done); tr.err = tr.r.Run(ctx) }()
		synctest.Wait()
		if got != "here" {
			t.Errorf("the handler's context carries %v", got)
		}
		cancel()
		<-tr.done
	})
}
