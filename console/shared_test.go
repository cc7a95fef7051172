package console

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Callers share one computation and its error. One that does not wait any longer does not end it.
func TestCallersShareOneComputation(t *testing.T) {
	t.Parallel()
	s := shared[int]{keep: time.Hour, within: time.Hour}
	broken := errors.New("broken")
	var begun atomic.Int64
	release, started := make(chan struct{}), make(chan struct{})
	compute := func(ctx context.Context) (int, error) {
		if begun.Add(1) == 1 {
			close(started)
			<-release
			return 0, errors.Join(broken, ctx.Err())
		}
		return 7, nil
	}
	short, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, _, err := s.get(short, compute); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller whose request has ended gets %v", err)
		}
	})
	<-started
	cancel()
	callers.Wait() // although the computation goes on
	for range 20 {
		callers.Go(func() {
			if _, _, err := s.get(t.Context(), compute); !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
				t.Errorf("a caller gets %v", err)
			}
		})
	}
	close(release)
	callers.Wait()
	s.mu.Lock()
	if n := begun.Load(); n != 1 && time.Since(s.last.at) < fresh {
		t.Errorf("%d computations", n)
	}
	s.last.at = s.last.at.Add(-2 * fresh)
	s.mu.Unlock()
	for range 2 {
		if v, at, err := s.get(t.Context(), compute); v != 7 || at.IsZero() || err != nil {
			t.Errorf("after an error: %d, %v", v, err)
		}
	}
}
