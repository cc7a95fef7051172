package integration

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Wait returns for every task: whether the task ends before the read, between
// the read and the listen, or after, and whether it is kept or not.
func TestWaitMissesNoEnd(t *testing.T) {
	s := newSite(t)
	p := s.pool(slots(8))
	pool.HandleResult(p, func(_ context.Context, task *pool.Task[Add]) (int, error) { return task.Args.A + task.Args.B, nil })
	s.serve(p)
	c := s.client()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	// In sequence: each call starts and ends its own listener.
	for i := range volume(60, 200) {
		r, err := c.Enqueue(ctx, Add{i, 1}, retained(i)...)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := pool.Wait[int](ctx, c, r.ID); sum != i+1 || err != nil {
			t.Fatal(i, sum, err)
		}
	}
	// Concurrently: the calls share one listener.
	var wg sync.WaitGroup
	for i := range volume(200, 500) {
		wg.Go(func() {
			r, err := c.Enqueue(ctx, Add{i, 1}, retained(i)...)
			if err != nil {
				t.Error(err)
				return
			}
			if sum, err := pool.Wait[int](ctx, c, r.ID); sum != i+1 || err != nil {
				t.Error(i, sum, err)
			}
		})
	}
	wg.Wait()
}

// retained removes some tasks at their end, so that only the event has their
// outcome.
func retained(i int) []pool.Option {
	if i%2 == 0 {
		return []pool.Option{pool.Retain(0)}
	}
	return nil
}

// Wait returns the outcome of a task that did not succeed, and an error for a
// task that never existed.
func TestWaitTellsHowATaskEnded(t *testing.T) {
	s := newSite(t)
	c := s.client()
	s.replicas(1, slots(1), "step", func(context.Context, *task.Task) ([]byte, error) {
		return nil, pool.Permanent(errors.New("boom"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, opts := range []pool.Spec{{Kind: "step"}, {Kind: "step", Retain: new(time.Duration)}} {
		id := enqueue(t, c, opts)
		_, err := pool.Wait[int](ctx, c, id)
		var te *pool.TaskError
		if !errors.As(err, &te) || te.State != pool.Failed || te.Code != pool.CodePermanent || te.Message != "boom" {
			t.Errorf("Wait for a failed task: %v", err)
		}
	}
	waiting := enqueue(t, c, pool.Spec{Kind: "step", Delay: time.Hour})
	if _, err := pool.Result[int](ctx, c, waiting); !errors.Is(err, pool.ErrNotEnded) {
		t.Errorf("Result of a live task: %v", err)
	}
	got := make(chan error, 1)
	go func() { _, err := pool.Wait[int](ctx, c, waiting); got <- err }()
	if n, err := c.Stop(ctx, pool.Filter{IDs: []string{waiting}}, "enough"); n != 1 || err != nil {
		t.Error(n, err)
	}
	var te *pool.TaskError
	if err := receive(t, got, patience, "the end of Wait"); !errors.As(err, &te) || te.State != pool.Stopped || te.Message != "enough" {
		t.Errorf("Wait for a stopped task: %v", err)
	}
	if _, err := pool.Wait[int](ctx, c, "never-was"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("Wait for a task that never existed: %v", err)
	}
}
