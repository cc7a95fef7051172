package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAnAttemptTimesOutOnTheDot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		took := make(map[string]time.Duration)
		begin := time.Now()
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			took[tk.ID] = time.Since(begin)
			return nil, err
		})
		limits := map[string]time.Duration{"a": time.Hour, "b": 1500 * time.Millisecond, "c": time.Millisecond}
		for id, d := range limits {
			g.store.put(task.Spec{ID: id, Kind: "job", Timeout: d})
		}
		g.run()
		g.pass(2 * time.Hour)
		for id, want := range limits {
			if took[id] != want {
				t.Errorf("task %s was cancelled after %v, want %v", id, took[id], want)
			}
			g.wantState(id, task.Failed, task.CodeTimeout)
		}
		g.end()
	})
}

// stubborn is a handler that ignores its context until it is freed.
func stubborn() (h task.Handler, free func()) {
	gate := make(chan struct{})
	return func(context.Context, *task.Task) ([]byte, error) {
		<-gate
		return []byte("too late"), nil
	}, func() { close(gate) }
}

func TestAHandlerThatIgnoresItsContextIsAbandonedAfterTheGrace(t *testing.T) {
	for name, c := range map[string]struct {
		code   task.Code
		state  task.State
		cancel func(g *rig)
	}{
		"timeout": {task.CodeTimeoutAbandoned, task.Failed, func(g *rig) { g.pass(time.Second) }},
		"stop":    {task.CodeStopAbandoned, task.Stopped, func(g *rig) { g.store.requestStop("x"); synctest.Wait() }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{StopGrace: 3 * time.Second})
				h, free := stubborn()
				g.r.Handle("job", h)
				spec := task.Spec{ID: "x", Kind: "job"}
				if name == "timeout" {
					spec.Timeout = time.Second
				}
				g.store.put(spec)
				g.run()
				c.cancel(g)
				g.pass(3*time.Second - 1)
				if got := g.r.Counts(); got.Stuck != 0 || g.store.task("x").State != task.Running {
					t.Fatalf("given up before the grace was over: %+v", got)
				}
				g.pass(1)
				g.wantState("x", c.state, c.code)
				if got := g.r.Counts(); got.Stuck != 1 || got.Running != 1 {
					t.Errorf("counts: %+v, want the slot taken and stuck", got)
				}
				if g.log.count("WARN a handler ignores its cancelled context") != 1 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.pass(30 * time.Second)
				last := g.store.renewals[len(g.store.renewals)-1]
				if last.Stuck != 1 || len(last.Held) != 0 {
					t.Errorf("last renewal: %+v, want one stuck and nothing held", last)
				}

				free()
				synctest.Wait()
				if got := g.r.Counts(); got.Stuck != 0 || got.Running != 0 || got.Dropped != 1 {
					t.Errorf("counts after it returned: %+v", got)
				}
				if len(g.store.said("x")) != 1 {
					t.Errorf("reports: %+v, want no second one", g.store.said("x"))
				}
				g.end()
			})
		})
	}
}

func TestASlotOfAStuckHandlerStaysTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 2}}})
		h, free := stubborn()
		g.r.Handle("stuck", h)
		most, running := 0, 0
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			running++
			most = max(most, running)
			time.Sleep(time.Second)
			running--
			return nil, nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "stuck", Timeout: time.Second})
		g.run()
		g.pass(time.Minute)
		g.store.putN(5, task.Spec{Kind: "job"})
		g.pass(time.Minute)
		if most != 1 {
			t.Errorf("%d ran at a time beside the stuck one", most)
		}
		g.wantState("job-5", task.Succeeded, task.CodeOK)
		free()
		g.end()
	})
}

func TestPastMaxStuckTheReplicaDrainsAndRunFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{MaxStuck: 1, DrainTimeout: time.Minute})
		h, free := stubborn()
		g.r.Handle("stuck", h)
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(30 * time.Second)
			return nil, nil
		})
		g.store.put(task.Spec{ID: "a", Kind: "stuck", Timeout: time.Second})
		g.run()
		g.pass(time.Minute)
		if g.r.Counts().Stuck != 1 {
			t.Fatalf("counts: %+v", g.r.Counts())
		}
		g.store.put(task.Spec{ID: "b", Kind: "stuck", Timeout: time.Second}, task.Spec{ID: "good", Kind: "job"})
		g.pass(11 * time.Second)
		g.store.put(task.Spec{ID: "next", Kind: "job"})
		<-g.done
		if !errors.Is(g.err, task.ErrStuck) {
			t.Errorf("Run returned %v", g.err)
		}
		g.wantState("good", task.Succeeded, task.CodeOK)
		g.wantState("next", task.Waiting, "")
		if err := g.r.Close(); !errors.Is(err, task.ErrStuck) {
			t.Errorf("Close returned %v", err)
		}
		free()
	})
}

func TestAHandlerStuckAfterItsLeaseWasLostReportsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		h, free := stubborn()
		g.r.Handle("job", h)
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.store.takeOver("x")
		g.pass(time.Minute)
		if c := g.r.Counts(); c.Stuck != 1 || len(g.store.said("x")) != 0 {
			t.Errorf("counts: %+v, reports: %+v", c, g.store.said("x"))
		}
		free()
		g.end()
	})
}
