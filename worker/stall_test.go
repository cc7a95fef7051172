package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAttemptWithoutProgressTimesOut(t *testing.T) {
	const timeout = 30 * time.Second
	for name, c := range map[string]struct {
		report func(ctx context.Context, tk *task.Task) // called every 20 s, three times
		after  time.Duration
	}{
		"from its start":             {func(context.Context, *task.Task) {}, timeout},
		"after the last progress":    {func(_ context.Context, tk *task.Task) { _ = tk.SetProgress(1) }, 60*time.Second + timeout},
		"after the last checkpoint":  {func(ctx context.Context, tk *task.Task) { _ = tk.Checkpoint(ctx, 1) }, 60*time.Second + timeout},
		"also if it writes its log":  {func(_ context.Context, tk *task.Task) { tk.Logf("line") }, timeout},
		"also if it sets meta":       {func(_ context.Context, tk *task.Task) { _ = tk.SetMeta("a", "1") }, timeout},
		"also if it ignores the end": {nil, timeout + DefaultStopGrace},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Policies: map[string]task.Policy{"job": {ProgressTimeout: timeout}}})
				tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
					for range 3 {
						if c.report == nil {
							time.Sleep(time.Hour)
						}
						select {
						case <-time.After(20 * time.Second):
							c.report(ctx, tk)
						case <-ctx.Done():
							return nil, ctx.Err()
						}
					}
					<-ctx.Done()
					if !errors.Is(context.Cause(ctx), task.ErrTimeout) {
						t.Errorf("cancelled with %v", context.Cause(ctx))
					}
					return nil, ctx.Err()
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.run()
				tr.advance(c.after - 1)
				if got := tr.store.verdictsOf("x"); len(got) != 0 {
					t.Fatalf("reported early: %+v", got)
				}
				tr.advance(1)
				got := tr.store.verdictsOf("x")
				if len(got) != 1 {
					t.Fatalf("%d reports after %v", len(got), c.after)
				}
				code, text := task.CodeTimeout, "attempt timed out: no progress for 30s (progress_timeout): context canceled"
				if c.report == nil {
					code, text = task.CodeTimeoutAbandoned, "attempt timed out: no progress for 30s (progress_timeout), and the handler did not return within 10s"
				}
				if got[0].Op != task.Fail || got[0].Code != code || got[0].Error != text {
					t.Errorf("report %v %s %q, want %s %q", got[0].Op, got[0].Code, got[0].Error, code, text)
				}
				tr.advance(2 * time.Hour)
				tr.shutDown()
			})
		})
	}
}

// Each attempt of a claim has its own time. A kind without a progress timeout has none.
func TestProgressTimeoutIsThatOfTheAttempt(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Policies: map[string]task.Policy{"job": {ProgressTimeout: time.Minute}, "other": {}}})
		work := func(ctx context.Context, tk *task.Task) ([]byte, error) {
			for range 10 {
				if tk.ID == "moves" {
					_ = tk.SetProgress(1)
				}
				select {
				case <-time.After(45 * time.Second):
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			}
			return nil, nil
		}
		tr.r.Handle("job", work)
		tr.r.Handle("other", work)
		tr.store.put(task.Spec{ID: "moves", Kind: "job"}, task.Spec{ID: "stalls", Kind: "job"}, task.Spec{ID: "free", Kind: "other"})
		tr.run()
		tr.advance(10 * time.Minute)
		tr.wantState("moves", task.Succeeded, task.CodeOK)
		tr.wantState("stalls", task.Failed, task.CodeTimeout)
		tr.wantState("free", task.Succeeded, task.CodeOK)
		if got := tr.store.task("stalls").Error; got != "attempt timed out: no progress for 1m0s (progress_timeout)" {
			t.Errorf("error %q", got)
		}
		tr.shutDown()
	})
}
