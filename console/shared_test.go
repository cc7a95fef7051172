package console

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// Callers share one computation and its error. One that does not wait any longer does not end it.
func TestCallersShareOneComputation(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
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
		if n := begun.Load(); n != 1 {
			t.Errorf("%d computations for all callers, want 1", n)
		}
		time.Sleep(2 * fresh) // fake time: the error is kept for a shorter time
		for range 2 {
			if v, at, err := s.get(t.Context(), compute); v != 7 || at.IsZero() || err != nil {
				t.Errorf("after the error: %d, %v", v, err)
			}
		}
		if n := begun.Load(); n != 2 {
			t.Errorf("%d computations, want one more after the error", n)
		}
	})
}
