package worker

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// benchStore hands out tasks as fast as it is asked, so that a benchmark sees
// the replica's own cost alone.
type benchStore struct {
	*fakeStore
	mu           sync.Mutex
	left         int
	done         int
	trips        int
	bell, marker chan struct{}
	all          chan struct{}
	ids          []string
}

func (s *benchStore) Exchange(_ context.Context, reports []Report, claims []Claim) ([]Verdict, []Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trips++
	verdicts := make([]Verdict, len(reports))
	for i := range verdicts {
		verdicts[i] = Accepted
	}
	claimed := make([]Claimed, len(claims))
	for i, c := range claims {
		n := min(c.N, s.left)
		s.left -= n
		tasks := make([]Task, n)
		claimed[i].Tasks = make([]*Task, n)
		for j := range tasks {
			tasks[j].ID, tasks[j].Kind, tasks[j].TimeLeft = s.ids[j], "noop", DefaultTimeout
			claimed[i].Tasks[j] = &tasks[j]
		}
	}
	if s.done += len(reports); s.done > 0 && s.done == cap(s.ids) {
		s.done = 0
		s.all <- struct{}{}
	}
	return verdicts, claimed, nil
}

func (s *benchStore) Listen(ctx context.Context, _ string, queues []string, _ time.Duration) (Signal, error) {
	marker := s.marker
	if len(queues) == 0 {
		marker = nil
	}
	select {
	case <-s.bell:
		return Signal{Bell: true}, nil
	case <-marker:
		return Signal{Queue: queues[0]}, nil
	case <-ctx.Done():
		return Signal{}, ctx.Err()
	}
}

func (s *benchStore) Renew(_ context.Context, r Renewal) ([]Verdict, error) {
	return slices.Repeat([]Verdict{Kept}, len(r.Held)), nil
}

func (s *benchStore) Ring(context.Context, string) error { poke(s.bell); return nil }
func (s *benchStore) Wake(context.Context, string) error { poke(s.marker); return nil }

// BenchmarkRunThousandTasks is the replica's overhead for 1,000 tasks whose
// handler does nothing, from claim to report.
func BenchmarkRunThousandTasks(b *testing.B) {
	const n = 1000
	for _, slots := range []int{1, 50, 500} {
		b.Run(strconv.Itoa(slots)+"slots", func(b *testing.B) {
			s := &benchStore{fakeStore: newFakeStore(), bell: make(chan struct{}, 1), marker: make(chan struct{}, 1), all: make(chan struct{}, 1), ids: make([]string, n)}
			for i := range s.ids {
				s.ids[i] = "task-" + strconv.Itoa(i)
			}
			r, err := New(s, Config{Queues: map[string]QueueConfig{DefaultQueue: {Workers: slots}}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			r.Handle("noop", noop)
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			b.ReportAllocs()
			rounds := 0
			for b.Loop() {
				rounds++
				s.mu.Lock()
				s.left = n
				s.mu.Unlock()
				poke(s.marker)
				<-s.all
			}
			b.ReportMetric(float64(n*rounds)/b.Elapsed().Seconds(), "tasks/s")
			b.ReportMetric(float64(s.trips)/float64(rounds), "trips/op")
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}
