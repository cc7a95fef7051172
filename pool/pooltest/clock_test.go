package pooltest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// onBothClocks runs f with the real clock and with a fake one.
func onBothClocks(t *testing.T, f func(t *testing.T)) {
	t.Run("real", f)
	t.Run("synctest", func(t *testing.T) { faketime.Test(t, f) })
}

func TestAdvanceMakesDelayedTasksDue(t *testing.T) {
	onBothClocks(t, func(t *testing.T) {
		p := pooltest.New(t, pool.Config{})
		to := handleMail(p.Pool)
		mustEnqueue(t, p, Mail{"delayed"}, pool.Delay(time.Hour))
		mustEnqueue(t, p, Mail{"at"}, pool.RunAt(time.Now().Add(2*time.Hour)))
		if out := p.Drain(t); len(out) != 0 {
			t.Fatalf("ran %v early", out)
		}
		before := p.Now()
		p.Advance(t, time.Hour)
		if d := p.Now().Sub(before); d < time.Hour || d > time.Hour+time.Minute {
			t.Errorf("the clock went on by %v", d)
		}
		p.Drain(t).RequireOK(t)
		if d := cmp.Diff([]string{"delayed"}, *to); d != "" {
			t.Error(d)
		}
		p.Advance(t, time.Hour)
		p.Drain(t).RequireOK(t)
		if d := cmp.Diff([]string{"delayed", "at"}, *to); d != "" {
			t.Error(d)
		}
	})
}

func TestRetriesWaitForTheWholeBackoff(t *testing.T) {
	for name, tt := range map[string]struct {
		backoff pool.Backoff
		waits   []time.Duration
	}{
		"exponential": {pool.Backoff{Base: time.Minute, Max: 3 * time.Minute}, []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}},
		"without Max": {pool.Backoff{Base: 4 * time.Minute}, []time.Duration{0, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute}},
		"longer Base": {pool.Backoff{Base: time.Hour}, []time.Duration{0, time.Hour, time.Hour, time.Hour}},
		"fixed":       {pool.Backoff{Fixed: true, Base: time.Minute}, []time.Duration{0, time.Minute, time.Minute, time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			onBothClocks(t, func(t *testing.T) {
				p := pooltest.New(t, pool.Config{Policies: map[string]pool.Policy{
					"mail": {MaxAttempts: 4, Backoff: tt.backoff},
				}})
				handleMail(p.Pool, errPost, errPost, errPost, errPost)
				r := mustEnqueue(t, p, Mail{"a"})
				for i, wait := range tt.waits {
					if wait > 0 {
						p.Advance(t, wait/2)
						if out := p.Drain(t); len(out) != 0 {
							t.Fatalf("retry %d came early: %v", i, out)
						}
						p.Advance(t, wait-wait/2)
					}
					if out := p.Drain(t); len(out) != 1 || out[0].Attempt != int64(i+1) {
						t.Fatalf("retry %d: outcomes %v", i, out)
					}
				}
				if task, err := p.Get(t.Context(), r.ID); err != nil || task.State != pool.Failed {
					t.Errorf("task %+v, error %v", task, err)
				}
			})
		})
	}
}

func TestAdvanceExpiresAndRemoves(t *testing.T) {
	onBothClocks(t, func(t *testing.T) {
		p := pooltest.New(t, pool.Config{})
		handleSum(p.Pool)
		done := mustEnqueue(t, p, Sum{1, 2})
		p.Drain(t).RequireOK(t)
		late := mustEnqueue(t, p, Sum{3, 4}, pool.TTL(time.Minute))
		p.Advance(t, time.Minute)
		if task, err := p.Get(t.Context(), late.ID); err != nil || task.State != pool.Expired {
			t.Errorf("task %+v, error %v", task, err)
		}
		if got, err := pool.Result[int](t.Context(), p.Pool, done.ID); got != 3 || err != nil {
			t.Errorf("result %d, error %v", got, err)
		}
		p.Advance(t, time.Hour)
		if _, err := p.Get(t.Context(), done.ID); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("an hour after its end: %v", err)
		}
		p.Advance(t, 7*24*time.Hour)
		if _, err := p.Get(t.Context(), late.ID); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("a week after its end: %v", err)
		}
	})
}

func TestAdvanceRunsMaintenanceToItsEnd(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	var specs []pool.Spec
	for range 350 { // more than one turn of maintenance removes
		s, err := pool.NewSpec(Mail{"a"}, pool.TTL(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, s)
	}
	if _, err := p.EnqueueAll(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	p.Advance(t, time.Minute)
	s, err := p.Stats(t.Context())
	if err != nil || s.Waiting != 0 || s.Ended[pool.Expired] != 350 {
		t.Errorf("stats %+v, error %v", s, err)
	}
}

func TestAdvanceFailsIfATaskIsRunning(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	running, end := make(chan struct{}), make(chan struct{})
	pool.Handle(p.Pool, func(context.Context, *pool.Task[Mail]) error {
		close(running)
		<-end
		return nil
	})
	p.Start(t)
	mustEnqueue(t, p, Mail{"a"})
	<-running
	text := failureOf(t, func(t testing.TB) { p.Advance(t, time.Hour) })
	close(end)
	if text == "" {
		t.Error("Advance ended the lease of a running handler")
	}
}

func TestTimeoutsPassUnderSynctest(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := pooltest.New(t, pool.Config{Policies: map[string]pool.Policy{"mail": {Timeout: 20 * time.Minute, MaxAttempts: 1}}})
		var cause error
		pool.Handle(p.Pool, func(ctx context.Context, _ *pool.Task[Mail]) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		})
		stop := p.Start(t)
		r := mustEnqueue(t, p, Mail{"a"})
		p.Advance(t, 19*time.Minute) // leases are renewed meanwhile
		if task, err := p.Get(t.Context(), r.ID); err != nil || task.State != pool.Running || task.Attempt != 1 {
			t.Fatalf("task %+v, error %v", task, err)
		}
		p.Advance(t, time.Minute)
		task, err := p.WaitTask(t.Context(), r.ID)
		if err != nil || task.Code != pool.CodeTimeout || cause != pool.ErrTimeout {
			t.Errorf("task %+v, error %v, cause %v", task, err, cause)
		}
		stop()
	})
}

func TestDrainWaitsForSleepingHandlersUnderSynctest(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := pooltest.New(t, pool.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		pool.Handle(p.Pool, func(context.Context, *pool.Task[Mail]) error {
			time.Sleep(10 * time.Minute)
			return nil
		})
		mustEnqueue(t, p, Mail{"a"})
		before := time.Now()
		p.Drain(t).RequireOK(t)
		if d := time.Since(before); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("it took %v", d)
		}
		if log.Len() > 0 {
			t.Error(log.String())
		}
	})
}

func TestStartedPoolRunsDelayedTasks(t *testing.T) {
	onBothClocks(t, func(t *testing.T) {
		p := pooltest.New(t, pool.Config{})
		handleSum(p.Pool)
		p.Start(t)
		now := mustEnqueue(t, p, Sum{1, 2})
		if got, err := pool.Wait[int](t.Context(), p.Pool, now.ID); got != 3 || err != nil {
			t.Fatalf("result %d, error %v", got, err)
		}
		later := mustEnqueue(t, p, Sum{3, 4}, pool.Delay(5*time.Minute))
		p.Advance(t, 5*time.Minute)
		if got, err := pool.Wait[int](t.Context(), p.Pool, later.ID); got != 7 || err != nil {
			t.Errorf("result %d, error %v", got, err)
		}
	})
}
