package worker

import (
	"context"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAnAttemptOfARepeatedAnswerKeepsTheLeaseItHasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var cancelled time.Time
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			if cancelled.IsZero() {
				cancelled = time.Now()
			}
			return nil, err
		})
		lost := 5
		g.store.setFault(func(op string) fault {
			switch {
			case op == "renew":
				return fail
			case op == "exchange" && lost > 0:
				lost--
				return lose
			}
			return none
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		claimed := time.Now()
		g.run()
		g.pass(time.Minute)
		if got := cancelled.Sub(claimed); got < 26*time.Second || got > 27*time.Second+time.Millisecond {
			t.Errorf("cancelled %v after the claim, want a tenth of a lease before 30s", got)
		}
		g.store.setFault(func(string) fault { return none })
		g.end()
	})
}

func TestAnAnswerRepeatedAfterItsLeaseIsGivenBackUnstarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Lease: time.Second})
		var attempts []int64
		g.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			attempts = append(attempts, tk.Attempt)
			return nil, nil
		})
		down := true
		g.store.setFault(func(op string) fault {
			switch {
			case !down, op == "join":
				return none
			case op == "exchange" && g.store.tasks["x"].State == task.Waiting:
				return lose
			}
			return fail
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		stale := g.store.task("x").Fence
		g.pass(3 * time.Second)
		g.store.mu.Lock()
		down = false
		g.store.fault = failFirst("maintain", 100) // nobody reaps it
		g.store.mu.Unlock()
		g.pass(5 * time.Second)
		said := g.store.said("x")
		if len(said) != 2 || said[0].Op != task.Release || said[0].Fence != stale {
			t.Errorf("reports: %+v, want the stale attempt released first", said)
		}
		if len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("attempts that ran: %v, want the second only", attempts)
		}
		g.wantState("x", task.Succeeded, task.CodeOK)
		g.end()
	})
}

func TestAnAnswerRepeatedAfterTheTimeoutIsGivenBackUnstarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var attempts []int64
		g.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			attempts = append(attempts, tk.Attempt)
			return nil, nil
		})
		begin := time.Now()
		g.store.setFault(func(op string) fault {
			if op == "exchange" && time.Since(begin) < 2*time.Second {
				return lose
			}
			return none
		})
		g.store.put(task.Spec{ID: "x", Kind: "job", Timeout: time.Second})
		g.run()
		g.pass(5 * time.Second)
		said := g.store.said("x")
		if len(said) != 2 || said[0].Op != task.Release || len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("reports: %+v, attempts that ran: %v; want the first released and the second only", said, attempts)
		}
		g.wantState("x", task.Succeeded, task.CodeOK)
		g.end()
	})
}
