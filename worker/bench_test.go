package worker

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// benchStore returns tasks at once, so that a benchmark measures only the cost of the
// replica.
type benchStore struct {
	*fakeStore
	mu             sync.Mutex
	left           int
	done           int
	trips          int
	fence          int64
	signals, ready chan struct{}
	all            chan struct{}
	ids            []string
}

func (s *benchStore) Exchange(_ context.Context, x task.Exchange) (got task.Exchanged, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trips++
	got.Verdicts = slices.Repeat([]task.Verdict{task.Accepted}, len(x.Reports))
	got.Short = make([]bool, len(x.Claims))
	for i, c := range x.Claims {
		n := min(c.N, s.left)
		s.left -= n
		got.Short[i] = s.left == 0
		if n == 0 {
			continue
		}
		tasks := make([]task.Task, n)
		s.fence++
		claimed := task.Claimed{Queue: c.Queue, Fence: s.fence, Left: task.DefaultTimeout, Tasks: make([]*task.Task, n)}
		for j := range tasks {
			tasks[j].ID, tasks[j].Kind = s.ids[j], "noop"
			claimed.Tasks[j] = &tasks[j]
		}
		got.Claimed = append(got.Claimed, claimed)
	}
	if s.done += len(x.Reports); s.done > 0 && s.done == cap(s.ids) {
		s.done = 0
		s.all <- struct{}{}
	}
	return got, nil
}

func (s *benchStore) Listen(ctx context.Context, _ string, _ time.Duration) (task.Signal, error) {
	select {
	case <-s.signals:
		return task.Signal{Check: true}, nil
	case <-s.ready:
		return task.Signal{Queue: task.DefaultQueue}, nil
	case <-ctx.Done():
		return task.Signal{}, ctx.Err()
	}
}

func (s *benchStore) Renew(_ context.Context, r task.Renewal) (task.Renewed, error) {
	return task.Renewed{Verdicts: slices.Repeat([]task.Verdict{task.Kept}, len(r.Held))}, nil
}

func (s *benchStore) Wake(context.Context, string) error { wake(s.signals); return nil }

// benchRun runs a replica with the slots on a store that returns n tasks per round. It
// calls f with a function that runs one round.
func benchRun(b testing.TB, n, slots int, f func(s *benchStore, round func())) {
	s := &benchStore{fakeStore: newFakeStore(), signals: make(chan struct{}, 1), ready: make(chan struct{}, 1), all: make(chan struct{}, 1), ids: make([]string, n)}
	for i := range s.ids {
		s.ids[i] = "task-" + strconv.Itoa(i)
	}
	r, err := New(s, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: slots}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	r.Handle("noop", noop)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	f(s, func() {
		s.mu.Lock()
		s.left = n
		s.mu.Unlock()
		wake(s.ready)
		<-s.all
	})
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRunThousandTasks measures the replica's overhead, from claim to report, for
// 1,000 tasks whose handler does nothing.
func BenchmarkRunThousandTasks(b *testing.B) {
	const n = 1000
	for _, slots := range []int{1, 50, 500} {
		b.Run(strconv.Itoa(slots)+"slots", func(b *testing.B) {
			benchRun(b, n, slots, func(s *benchStore, round func()) {
				b.ReportAllocs()
				rounds := 0
				for b.Loop() {
					rounds++
					round()
				}
				b.ReportMetric(float64(n*rounds)/b.Elapsed().Seconds(), "tasks/s")
				b.ReportMetric(float64(s.trips)/float64(rounds), "trips/op")
			})
		})
	}
}

// With one slot every task has exchanges of its own, which is the most expensive case.
func TestTaskCostsAtMostTenAllocations(t *testing.T) {
	const (
		n      = 2000
		store  = 5 // allocations of the store in the exchange of one task
		spared = 1 // allocations of timers and other goroutines, rounded up
	)
	for slots, most := range map[int]int{1: 10 + store, 50: 5} {
		benchRun(t, n, slots, func(_ *benchStore, round func()) {
			round() // allocates everything that is reused
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			round()
			runtime.ReadMemStats(&after)
			if got := int(after.Mallocs-before.Mallocs) / n; got > most+spared {
				t.Errorf("%d allocations per task with %d slots, want at most %d", got, slots, most)
			}
		})
	}
}
