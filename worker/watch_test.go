package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAttemptTimesOutExactly(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		took := make(map[string]time.Duration)
		begin := time.Now()
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			took[tk.ID] = time.Since(begin)
			return nil, err
		})
		limits := map[string]time.Duration{"a": time.Hour, "b": 1500 * time.Millisecond, "c": time.Millisecond}
		for id, d := range limits {
			tr.store.put(task.Spec{ID: id, Kind: "job", Timeout: d})
		}
		tr.run()
		tr.advance(2 * time.Hour)
		for id, want := range limits {
			if took[id] != want {
				t.Errorf("task %s was cancelled after %v, want %v", id, took[id], want)
			}
			tr.wantState(id, task.Failed, task.CodeTimeout)
		}
		tr.shutDown()
	})
}

// ignoresContext returns a handler that ignores its context until free is called.
func ignoresContext() (h task.Handler, free func()) {
	gate := make(chan struct{})
	return func(context.Context, *task.Task) ([]byte, error) {
		<-gate
		return []byte("too late"), nil
	}, func() { close(gate) }
}

func TestHandlerThatIgnoresItsContextIsGivenUpAfterTheGrace(t *testing.T) {
	for name, c := range map[string]struct {
		code   task.Code
		state  task.State
		cancel func(tr *testReplica)
	}{
		"timeout": {task.CodeTimeoutAbandoned, task.Failed, func(tr *testReplica) { tr.advance(time.Second) }},
		"stop":    {task.CodeStopAbandoned, task.Stopped, func(tr *testReplica) { tr.store.requestStop("x"); synctest.Wait() }},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{StopGrace: 3 * time.Second})
				h, free := ignoresContext()
				tr.r.Handle("job", h)
				spec := task.Spec{ID: "x", Kind: "job"}
				if name == "timeout" {
					spec.Timeout = time.Second
				}
				tr.store.put(spec)
				tr.run()
				c.cancel(tr)
				tr.advance(3*time.Second - 1)
				if got := tr.r.Counts(); got.Stuck != 0 || tr.store.task("x").State != task.Running {
					t.Fatalf("given up before the grace was over: %+v", got)
				}
				tr.advance(1)
				tr.wantState("x", c.state, c.code)
				if got := tr.r.Counts(); got.Stuck != 1 || got.Running != 1 {
					t.Errorf("counts: %+v, want the slot taken and stuck", got)
				}
				if tr.log.count("WARN a handler ignores its cancelled context") != 1 {
					t.Errorf("log: %v", tr.log.lines)
				}
				tr.advance(30 * time.Second)
				last := tr.store.renewals[len(tr.store.renewals)-1]
				if last.Stuck != 1 || len(last.Held) != 0 {
					t.Errorf("last renewal: %+v, want one stuck and nothing held", last)
				}

				free()
				synctest.Wait()
				if got := tr.r.Counts(); got.Stuck != 0 || got.Running != 0 || got.Dropped != 1 {
					t.Errorf("counts after it returned: %+v", got)
				}
				if len(tr.store.verdictsOf("x")) != 1 {
					t.Errorf("reports: %+v, want no second one", tr.store.verdictsOf("x"))
				}
				tr.shutDown()
			})
		})
	}
}

func TestStuckHandlerKeepsItsSlot(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 2}}})
		h, free := ignoresContext()
		tr.r.Handle("stuck", h)
		most, running := 0, 0
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			running++
			most = max(most, running)
			time.Sleep(time.Second)
			running--
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "stuck", Timeout: time.Second})
		tr.run()
		tr.advance(time.Minute)
		tr.store.putN(5, task.Spec{Kind: "job"})
		tr.advance(time.Minute)
		if most != 1 {
			t.Errorf("%d ran at a time beside the stuck one", most)
		}
		tr.wantState("job-5", task.Succeeded, task.CodeOK)
		free()
		tr.shutDown()
	})
}

func TestRunFailsBeyondMaxStuck(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{MaxStuck: 1, DrainTimeout: time.Minute})
		h, free := ignoresContext()
		tr.r.Handle("stuck", h)
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(30 * time.Second)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "a", Kind: "stuck", Timeout: time.Second})
		tr.run()
		tr.advance(time.Minute)
		if tr.r.Counts().Stuck != 1 {
			t.Fatalf("counts: %+v", tr.r.Counts())
		}
		tr.store.put(task.Spec{ID: "b", Kind: "stuck", Timeout: time.Second}, task.Spec{ID: "good", Kind: "job"})
		tr.advance(11 * time.Second)
		tr.store.put(task.Spec{ID: "next", Kind: "job"})
		<-tr.done
		if !errors.Is(tr.err, task.ErrStuck) {
			t.Errorf("Run returned %v", tr.err)
		}
		tr.wantState("good", task.Succeeded, task.CodeOK)
		tr.wantState("next", task.Waiting, "")
		if err := tr.r.Close(); !errors.Is(err, task.ErrStuck) {
			t.Errorf("Close returned %v", err)
		}
		free()
	})
}

func TestHandlerStuckAfterALostLeaseReportsNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		h, free := ignoresContext()
		tr.r.Handle("job", h)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.store.takeOver("x")
		tr.advance(time.Minute)
		if c := tr.r.Counts(); c.Stuck != 1 || len(tr.store.verdictsOf("x")) != 0 {
			t.Errorf("counts: %+v, reports: %+v", c, tr.store.verdictsOf("x"))
		}
		free()
		tr.shutDown()
	})
}
