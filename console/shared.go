package console

import (
	"context"
	"sync"
	"time"
)

// shared is a value that is expensive to compute. Concurrent callers share one computation. Later
// callers get its value for the time keep, or its error for the time fresh.
type shared[T any] struct {
	keep   time.Duration // of a value
	within time.Duration // how long a computation may take

	mu   sync.Mutex
	last computation[T]  // that has ended; its zero value before the first
	now  *computation[T] // that is under way; nil for none
}

type computation[T any] struct {
	done  chan struct{}
	at    time.Time // of its end
	value T
	err   error
}

// get returns the value and when it was computed. A computation belongs to all callers: it does not
// end with the context of one.
func (s *shared[T]) get(ctx context.Context, compute func(context.Context) (T, error)) (T, time.Time, error) {
	s.mu.Lock()
	keep := s.keep
	if s.last.err != nil {
		keep = fresh
	}
	if last := s.last; !last.at.IsZero() && time.Since(last.at) <= keep {
		s.mu.Unlock()
		return last.value, last.at, last.err
	}
	run := s.now
	if run == nil {
		run = &computation[T]{done: make(chan struct{})}
		s.now = run
		go s.run(context.WithoutCancel(ctx), run, compute)
	}
	s.mu.Unlock()
	select {
	case <-run.done:
		return run.value, run.at, run.err
	case <-ctx.Done():
		var none T
		return none, time.Time{}, ctx.Err()
	}
}

func (s *shared[T]) run(ctx context.Context, c *computation[T], compute func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	c.value, c.err = compute(ctx)
	c.at = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.now = *c, nil
	close(c.done)
}

// latest returns the last value without waiting. If it is older than keep, the computation of the next one starts. Without
// a value, or with one that is five times as old as keep, latest returns the zero value.
func (s *shared[T]) latest(compute func(context.Context) (T, error)) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := time.Since(s.last.at) > s.keep; old && s.now == nil {
		s.now = &computation[T]{done: make(chan struct{})}
		go s.run(context.Background(), s.now, compute)
	}
	if time.Since(s.last.at) > 5*s.keep {
		var none T
		return none
	}
	return s.last.value
}
