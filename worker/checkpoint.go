package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// checkpoints are the checkpoints of an attempt. Its calls are made one after the other
// and numbered, so that a call that the network delays does not replace a later value.
type checkpoints struct {
	turn chan struct{} // holds one element while a call is made
	n    int64         // number of the last one; guarded by turn
}

// Checkpoint implements Execution. It repeats a call that fails until ctx ends, the lease
// is lost, or calls have failed for the length of a lease.
func (a *attempt) Checkpoint(ctx context.Context, data []byte) error {
	return a.save(ctx, func(ctx context.Context, at task.Attempt, n int64) error {
		return a.claim.sequence.r.store.Checkpoint(ctx, a.claim.q.name, at, n, data)
	})
}

// SaveJob implements Execution. It repeats a call as Checkpoint does.
func (a *attempt) SaveJob(ctx context.Context, job string, data []byte) error {
	return a.save(ctx, func(ctx context.Context, at task.Attempt, n int64) error {
		return a.claim.sequence.r.store.SaveJob(ctx, a.claim.q.name, at, n, data, job)
	})
}

// save makes the call for the next checkpoint of the attempt.
func (a *attempt) save(ctx context.Context, write func(ctx context.Context, at task.Attempt, n int64) error) error {
	a.moved()
	defer a.moved()
	r, lost := a.claim.sequence.r, a.LeaseLost()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lost:
			cancel(task.ErrLeaseLost)
		case <-ctx.Done():
		}
	}()
	a.mu.Lock()
	if a.saved == nil {
		a.saved = &checkpoints{turn: make(chan struct{}, 1)}
	}
	c := a.saved
	a.mu.Unlock()
	select {
	case <-lost:
		return fmt.Errorf("checkpoint: %w", task.ErrLeaseLost)
	case <-ctx.Done():
		return fmt.Errorf("checkpoint: %w", context.Cause(ctx))
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	}
	c.n++

	tries, end := context.WithTimeout(ctx, r.cfg.Lease)
	defer end()
	t := retry{outage: r.outages, op: "checkpoint"}
	defer t.stop()
	for {
		err := r.call(tries, func(ctx context.Context) error {
			return write(ctx, task.Attempt{ID: a.task.ID, Fence: a.claim.fence, Number: a.number()}, c.n)
		})
		switch {
		case err == nil:
			t.ok()
			return nil
		case errors.Is(err, task.ErrLeaseLost):
			t.ok()
			r.keeper.request(true) // its answer cancels the handlers of the claim
			return err
		}
		if tries.Err() == nil && backoff.Sleep(tries, t.failed(err)) == nil {
			continue
		}
		if ctx.Err() != nil {
			return fmt.Errorf("checkpoint: %w; the last try: %w", context.Cause(ctx), err)
		}
		return err
	}
}
