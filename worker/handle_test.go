package worker

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ltsworker/ltsworker/task"
)

func TestHandlePanicsOnceTheReplicaHasRunOrIsClosed(t *testing.T) {
	for name, begin := range map[string]func(g *rig){
		"runs":    func(g *rig) { g.run() },
		"has run": func(g *rig) { g.run(); g.end() },
		"closed":  func(g *rig) { g.r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				g.r.Handle("job", noop)
				begin(g)
				defer g.r.Close()
				defer func() {
					if v := recover(); v != "worker: Handle(late) after Run or Close" {
						t.Errorf("it panicked with %v", v)
					}
				}()
				g.r.Handle("late", noop)
			})
		})
	}
}

func TestRunRefusesBadHandlersAllAtOnceBeforeTheStoreIsTouched(t *testing.T) {
	g := newRig(t, Config{})
	if err := g.r.Run(t.Context()); err == nil {
		t.Error("it ran without a handler")
	}
	g = newRig(t, Config{})
	g.r.Handle("bad kind", noop)
	g.r.Handle("empty", nil)
	g.r.Handle("twice", noop)
	g.r.Handle("twice", noop)
	wantFields(t, g.r.Run(t.Context()), "handlers.bad kind", "handlers.empty", "handlers.twice")
	if len(g.store.calls) != 0 {
		t.Error("the store was called")
	}
}

func TestMiddlewareWrapsEveryHandlerFirstOutermost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var trail []string
		tag := func(name string) task.Middleware {
			return func(next task.Handler) task.Handler {
				return func(ctx context.Context, tk *task.Task) ([]byte, error) {
					trail = append(trail, name)
					return next(ctx, tk)
				}
			}
		}
		g := newRig(t, Config{Middleware: []task.Middleware{tag("outer"), tag("inner")}})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			trail = append(trail, "handler")
			return nil, nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		if len(trail) != 3 || trail[0] != "outer" || trail[1] != "inner" || trail[2] != "handler" {
			t.Errorf("called in the order %v", trail)
		}
		g.end()
	})
}

func TestHandlersGetTheValuesOfRunsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{}
		g := newRig(t, Config{})
		var got any
		g.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			got = ctx.Value(key{})
			return nil, nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "here"))
		go func() { defer close(g.done); g.err = g.r.Run(ctx) }()
		synctest.Wait()
		if got != "here" {
			t.Errorf("the handler's context carries %v", got)
		}
		cancel()
		<-g.done
	})
}
