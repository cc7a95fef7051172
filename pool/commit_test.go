package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// gatedStore answers one call to Enqueue for each value received from gate.
func gatedStore() (s *fakeStore, gate chan error, batches func() []int) {
	s = newFakeStore()
	gate = make(chan error)
	var mu sync.Mutex
	var sizes []int
	s.enqueue = func(ctx context.Context, specs []task.Spec) ([]task.Receipt, error) {
		mu.Lock()
		sizes = append(sizes, len(specs))
		mu.Unlock()
		select {
		case err := <-gate:
			if err != nil {
				return nil, err
			}
			return receiptsFor(specs), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s, gate, func() []int {
		mu.Lock()
		defer mu.Unlock()
		return append([]int(nil), sizes...)
	}
}

func TestSingleEnqueueIsSentAtOnce(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		began := time.Now()
		r, err := p.Enqueue(t.Context(), email{}, ID("a"))
		if err != nil || r.ID != "a" {
			t.Fatalf("got %+v, %v", r, err)
		}
		if n := s.calls("enqueue"); n != 1 {
			t.Errorf("made %d calls, want 1", n)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("waited %v", d)
		}
	})
}

func TestConcurrentEnqueuesShareCallsAndGetTheirOwnReceipts(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s, gate, batches := gatedStore()
		p := newTestPool(t, s, Config{})
		const callers = 100
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				id := fmt.Sprint("task", i)
				r, err := p.Enqueue(t.Context(), email{}, ID(id))
				if err != nil || r.ID != id {
					t.Errorf("caller %s got %+v, %v", id, r, err)
				}
			})
		}
		synctest.Wait()
		if got := len(batches()); got > maxCalls {
			t.Errorf("%d calls in flight, want at most %d", got, maxCalls)
		}
		close(gate) // answers all further calls
		wg.Wait()
		if n := len(batches()); n > maxCalls+1 {
			t.Errorf("%d callers took %d calls %v, want at most %d", callers, n, batches(), maxCalls+1)
		}
	})
}

func TestBatchIsBoundedByCountAndBytes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		payload int
		callers int
		want    int
	}{
		{"count", 1, 2*maxBatch + 1, maxBatch},
		{"bytes", 1 << 20, 9, maxBatchBytes >> 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := committer{calls: maxCalls}
			for range tt.callers {
				c.pending = append(c.pending, &commit{ctx: t.Context(), spec: Spec{Payload: make([]byte, tt.payload)}})
			}
			left := tt.callers
			for left > 0 {
				b := c.take(nil)
				if want := min(left, tt.want); len(b.specs) != want || len(b.commits) != want {
					t.Fatalf("took %d of %d, want %d", len(b.specs), left, want)
				}
				left -= len(b.specs)
			}
		})
	}
}

func TestEnqueueReturnsWhenItsContextEnds(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s, gate, batches := gatedStore()
		p := newTestPool(t, s, Config{})
		// Use up the calls in flight, so that later enqueues share a call.
		var wg sync.WaitGroup
		for range maxCalls {
			wg.Go(func() { _, _ = p.Enqueue(t.Context(), email{}, ID("first")) })
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wg.Go(func() {
			began := time.Now()
			_, err := p.Enqueue(short, email{}, ID("short"))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
		})
		wg.Go(func() {
			if r, err := p.Enqueue(t.Context(), email{}, ID("long")); err != nil || r.ID != "long" {
				t.Errorf("the other caller of the same call got %+v, %v", r, err)
			}
		})
		synctest.Wait()
		gate <- nil
		synctest.Wait()
		if got := batches(); got[len(got)-1] != 2 {
			t.Fatalf("batches %v, want the last to carry 2", got)
		}
		time.Sleep(2 * time.Second) // fake time: short ends while its call is in flight
		gate <- nil
		gate <- nil
		wg.Wait()
	})
}

func TestEnqueueWhoseContextEndedBeforeItWasSentIsNotSent(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s, gate, batches := gatedStore()
		p := newTestPool(t, s, Config{})
		var wg sync.WaitGroup
		for range maxCalls {
			wg.Go(func() { _, _ = p.Enqueue(t.Context(), email{}) })
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := p.Enqueue(ctx, email{}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		for range maxCalls {
			gate <- nil
		}
		wg.Wait()
		synctest.Wait()
		if got := len(batches()); got != maxCalls {
			t.Errorf("made %d calls, want %d", got, maxCalls)
		}
	})
}

func TestCallWithoutWaitingCallersIsCancelled(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		cancelled := false
		s.enqueue = func(ctx context.Context, _ []task.Spec) ([]task.Receipt, error) {
			<-ctx.Done()
			cancelled = true
			return nil, ctx.Err()
		}
		p := newTestPool(t, s, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Enqueue(ctx, email{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if !cancelled {
			t.Error("the call goes on")
		}
	})
}

func TestErrorOfACallReachesAllItsCallers(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s, gate, _ := gatedStore()
		p := newTestPool(t, s, Config{})
		boom := errors.New("boom")
		errs := make(chan error, 50)
		for range cap(errs) {
			go func() {
				_, err := p.Enqueue(t.Context(), email{})
				errs <- err
			}()
		}
		synctest.Wait()
		for len(errs) < cap(errs) {
			gate <- boom
			synctest.Wait()
		}
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, boom) {
				t.Errorf("got %v, want %v", err, boom)
			}
		}
	})
}

func TestWrongNumberOfReceiptsIsAnError(t *testing.T) {
	s := newFakeStore()
	s.enqueue = func(context.Context, []task.Spec) ([]task.Receipt, error) { return nil, nil }
	p := newTestPool(t, s, Config{})
	if _, err := p.Enqueue(t.Context(), email{}); err == nil {
		t.Error("Enqueue: no error")
	}
	if _, err := p.EnqueueAll(t.Context(), []Spec{{Kind: "a"}}); err == nil {
		t.Error("EnqueueAll: no error")
	}
}

// BenchmarkEnqueue measures the effect of group commit with a store that answers calls
// one after the other, 100 µs each, as Redis does.
func BenchmarkEnqueue(b *testing.B) {
	for _, callers := range []int{1, 100} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := newFakeStore()
			var busy sync.Mutex
			s.enqueue = func(_ context.Context, specs []task.Spec) ([]task.Receipt, error) {
				busy.Lock()
				defer busy.Unlock()
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
					runtime.Gosched()
				}
				return receiptsFor(specs), nil
			}
			p := newTestPool(b, s, Config{})
			b.ReportAllocs()
			tasks := 0
			for b.Loop() {
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						if _, err := p.Enqueue(b.Context(), email{}); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				tasks += callers
			}
			b.ReportMetric(float64(s.calls("enqueue"))/float64(tasks), "calls/task")
			b.ReportMetric(float64(tasks)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
