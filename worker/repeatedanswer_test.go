package worker

import (
	"context"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestRepeatedAnswerCountsTheLeaseFromTheClaim(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		var cancelled time.Time
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			if cancelled.IsZero() {
				cancelled = time.Now()
			}
			return nil, err
		})
		lost := 5
		tr.store.setFault(func(op string) fault {
			switch {
			case op == "renew":
				return fail
			case op == "exchange" && lost > 0:
				lost--
				return lose
			}
			return none
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		claimed := time.Now()
		tr.run()
		tr.advance(time.Minute)
		if got := cancelled.Sub(claimed); got < 26*time.Second || got > 27*time.Second+time.Millisecond {
			t.Errorf("cancelled %v after the claim, want a tenth of a lease before 30s", got)
		}
		tr.store.setFault(func(string) fault { return none })
		tr.shutDown()
	})
}

func TestAnswerRepeatedAfterTheLeaseIsReleasedUnstarted(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Lease: time.Second})
		var attempts []int64
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			attempts = append(attempts, tk.Attempt)
			return nil, nil
		})
		down := true
		tr.store.setFault(func(op string) fault {
			switch {
			case !down, op == "join":
				return none
			case op == "exchange" && tr.store.tasks["x"].State == task.Waiting:
				return lose
			}
			return fail
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		stale := tr.store.task("x").Fence
		tr.advance(3 * time.Second)
		tr.store.mu.Lock()
		down = false
		tr.store.fault = failFirst("maintain", 100) // no maintenance takes the task back
		tr.store.mu.Unlock()
		tr.advance(5 * time.Second)
		reports := tr.store.verdictsOf("x")
		if len(reports) != 2 || reports[0].Op != task.Release || reports[0].Fence != stale {
			t.Errorf("reports: %+v, want the stale attempt released first", reports)
		}
		if len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("attempts that ran: %v, want the second only", attempts)
		}
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

func TestAnswerRepeatedAfterTheTimeoutIsReleasedUnstarted(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		var attempts []int64
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			attempts = append(attempts, tk.Attempt)
			return nil, nil
		})
		begin := time.Now()
		tr.store.setFault(func(op string) fault {
			if op == "exchange" && time.Since(begin) < 2*time.Second {
				return lose
			}
			return none
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: time.Second})
		tr.run()
		tr.advance(5 * time.Second)
		reports := tr.store.verdictsOf("x")
		if len(reports) != 2 || reports[0].Op != task.Release || len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("reports: %+v, attempts that ran: %v; want the first released and the second only", reports, attempts)
		}
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}
