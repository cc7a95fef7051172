package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// checkpointing runs a handler once, for at most two minutes.
func checkpointing(t *testing.T, handle func(ctx context.Context, tr *testReplica, tk *task.Task)) {
	t.Helper()
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		ran := false
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			handle(ctx, tr, tk)
			tr.store.setFault(func(string) fault { return none })
			ran = true
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(2 * time.Minute)
		tr.shutDown()
		if !ran {
			t.Error("the handler has not returned")
		}
	})
}

func TestCheckpointReturnsWhenTheStoreHasIt(t *testing.T) {
	for name, f := range map[string]fault{"works": none, "fails": fail, "hangs": hang, "loses its reply": lose, "is delivered late": lag} {
		t.Run("the first call "+name, func(t *testing.T) {
			checkpointing(t, func(ctx context.Context, tr *testReplica, tk *task.Task) {
				calls := 0
				tr.store.setFault(func(op string) fault {
					if op == "checkpoint" {
						if calls++; calls == 1 {
							return f
						}
					}
					return none
				})
				for n, v := range []any{map[string]int{"page": 1}, []byte("page 2"), nil} {
					if err := tk.Checkpoint(ctx, v); err != nil {
						t.Error(err)
					}
					got := tr.store.task("x")
					if want := []string{`{"page":1}`, "page 2", ""}[n]; string(got.LastCheckpoint) != want || got.checkpoints != n+1 {
						t.Errorf("checkpoint %d is %q, of %d that were written", n, got.LastCheckpoint, got.checkpoints)
					}
				}
				if tk.LastCheckpoint != nil {
					t.Errorf("the handler's own task changed to %q", tk.LastCheckpoint)
				}
			})
		})
	}
}

func TestCheckpointOfALostAttemptIsRefused(t *testing.T) {
	checkpointing(t, func(ctx context.Context, tr *testReplica, tk *task.Task) {
		if err := tk.Checkpoint(ctx, []byte("mine")); err != nil {
			t.Error(err)
		}
		tr.store.takeOver("x")
		begin := time.Now()
		if err := tk.Checkpoint(ctx, []byte("stale")); !errors.Is(err, task.ErrLeaseLost) {
			t.Errorf("answered %v", err)
		}
		if got := tr.store.task("x"); string(got.LastCheckpoint) != "mine" || got.checkpoints != 1 {
			t.Errorf("checkpoint %q, %d were written", got.LastCheckpoint, got.checkpoints)
		}
		<-tk.LeaseLost() // a renewal follows at once
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the handler learned of the loss after %v", took)
		}
		if err := tk.Checkpoint(context.WithoutCancel(ctx), []byte("stale")); !errors.Is(err, task.ErrLeaseLost) {
			t.Errorf("answered %v", err)
		}
	})
}

func TestCheckpointGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		down   []string // calls that fail from the first checkpoint on
		within time.Duration
		ctx    func(ctx context.Context) (context.Context, context.CancelFunc)
		want   error
	}{
		"when the lease is lost":      {down: []string{"checkpoint", "renew", "exchange"}, within: DefaultLease, want: task.ErrLeaseLost},
		"after the length of a lease": {down: []string{"checkpoint"}, within: DefaultLease + 5*time.Second, want: errDown},
		"when its context ends": {down: []string{"checkpoint"}, within: 3 * time.Second, want: context.DeadlineExceeded,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 3*time.Second)
			}},
		"if its context has ended": {within: 0, want: context.Canceled,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, cancel
			}},
	} {
		t.Run(name, func(t *testing.T) {
			checkpointing(t, func(ctx context.Context, tr *testReplica, tk *task.Task) {
				tr.store.setFault(func(op string) fault {
					for _, d := range c.down {
						if op == d {
							return fail
						}
					}
					return none
				})
				if c.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = c.ctx(ctx)
					defer cancel()
				}
				begin := time.Now()
				err := tk.Checkpoint(ctx, []byte("data"))
				if took := time.Since(begin); !errors.Is(err, c.want) || took > c.within {
					t.Errorf("answered %v after %v, want %v within %v", err, took, c.want, c.within)
				}
				if got := tr.store.task("x"); got.checkpoints != 0 {
					t.Errorf("%d checkpoints were written", got.checkpoints)
				}
			})
		})
	}
}

// A call that waits for an answer keeps later calls of the attempt waiting, unless their context ends.
func TestCheckpointsOfAnAttemptAreWrittenInOrder(t *testing.T) {
	checkpointing(t, func(ctx context.Context, tr *testReplica, tk *task.Task) {
		calls := 0
		tr.store.setFault(func(op string) fault {
			if op == "checkpoint" {
				if calls++; calls < 3 {
					return hang
				}
			}
			return none
		})
		errs := make(chan error)
		for i := range 2 {
			go func() { errs <- tk.Checkpoint(ctx, fmt.Appendf(nil, "%d", i)) }()
			time.Sleep(time.Millisecond) // of fake time: the call is waiting
		}
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := tk.Checkpoint(soon, []byte("2")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the third call answered %v", err)
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if got := tr.store.task("x"); string(got.LastCheckpoint) != "1" || got.checkpoints != 2 {
			t.Errorf("checkpoint %q, %d were written", got.LastCheckpoint, got.checkpoints)
		}
	})
}

func TestCheckpointIsBounded(t *testing.T) {
	checkpointing(t, func(ctx context.Context, tr *testReplica, tk *task.Task) {
		if err := tk.Checkpoint(ctx, bytes.Repeat([]byte("x"), task.MaxCheckpoint)); err != nil {
			t.Error(err)
		}
		err := tk.Checkpoint(ctx, strings.Repeat("x", task.MaxCheckpoint-1)) // two quotes more
		if want := "checkpoint is 65537 bytes; the limit is 65536: store it elsewhere and keep a reference"; err == nil || err.Error() != want {
			t.Errorf("answered %v, want %s", err, want)
		}
		if err := tk.Checkpoint(ctx, make(chan int)); err == nil {
			t.Error("a channel was encoded")
		}
		if got := tr.store.task("x"); got.checkpoints != 1 {
			t.Errorf("%d checkpoints were written", got.checkpoints)
		}
	})
}

// A handler that drains writes a last checkpoint with a context that is not cancelled.
func TestDrainedHandlerWritesACheckpoint(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Second})
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			<-ctx.Done()
			if err := tk.Checkpoint(ctx, []byte("data")); !errors.Is(err, task.ErrShutdown) {
				t.Errorf("with the handler's context: %v", err)
			}
			if err := tk.Checkpoint(context.WithoutCancel(ctx), []byte("data")); err != nil {
				t.Errorf("without its cancellation: %v", err)
			}
			return nil, context.Cause(ctx)
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if got := tr.store.task("x"); string(got.LastCheckpoint) != "data" || got.released != 1 {
			t.Errorf("checkpoint %q, released %d times", got.LastCheckpoint, got.released)
		}
	})
}
