package worker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// startOrder records the queues of the tasks in the order of their starts.
type startOrder struct {
	mu      sync.Mutex
	queues  []string
	running int
	most    int
}

// handle takes a millisecond.
func (s *startOrder) handle(_ context.Context, t *task.Task) ([]byte, error) {
	s.mu.Lock()
	s.queues = append(s.queues, t.Queue)
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	time.Sleep(time.Millisecond) // fake time: so long does the task take
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	return nil, nil
}

func (s *startOrder) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.queues...)
}

// sharing returns a replica whose queues a, b and c share slots, with these weights.
func sharing(t *testing.T, workers int, strict bool, weights ...int) (*testReplica, *startOrder) {
	t.Helper()
	cfg := Config{Queues: map[string]task.QueueConfig{}, Slots: map[string]task.Slots{"s": {Workers: workers, Strict: strict}}}
	for i, w := range weights {
		cfg.Queues[string(rune('a'+i))] = task.QueueConfig{Slots: "s", Weight: w}
	}
	tr, s := newTestReplica(t, cfg), &startOrder{}
	tr.r.Handle("k", s.handle)
	return tr, s
}

func (tr *testReplica) pushTo(queue string, n int) {
	var specs []task.Spec
	for range n {
		specs = append(specs, task.Spec{ID: fmt.Sprint(queue, len(specs), time.Now().UnixNano()), Kind: "k", Queue: queue})
	}
	tr.store.push(specs...)
}

func count(order []string, queue string) int {
	return strings.Count(strings.Join(order, " ")+" ", queue+" ")
}

// While all queues have tasks, the starts of each are its share: at every point of the order they
// differ from it by less than the claims that are in flight.
func TestWeightsAreSharesOfStartsUnderBacklog(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr, s := sharing(t, workers, false, 6, 3, 1)
				for _, q := range []string{"a", "b", "c"} {
					tr.pushTo(q, 1000)
				}
				tr.run()
				tr.advance(time.Duration(800/workers) * time.Millisecond)
				order := s.order()
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
				if len(order) < 500 || s.most > workers {
					t.Fatalf("%d starts, %d at once", len(order), s.most)
				}
				for n := 50; n <= len(order); n += 50 {
					for i, share := range []float64{.6, .3, .1} {
						q := string(rune('a' + i))
						if d := float64(count(order[:n], q)) - share*float64(n); d > float64(workers+3) || d < -float64(workers+3) {
							t.Errorf("of %d starts %d are of %s", n, count(order[:n], q), q)
						}
					}
				}
			})
		})
	}
}

// A flood in one queue does not keep a task of another one waiting, and no slot is idle.
func TestFloodInOneQueueDoesNotStarveAnother(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint(strict), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr, s := sharing(t, 2, strict, 1, 2)
				tr.pushTo("a", 1000)
				tr.run()
				tr.advance(50 * time.Millisecond)
				before := s.order()
				tr.pushTo("b", 20)
				tr.advance(50 * time.Millisecond)
				order := s.order()[len(before):]
				tr.advance(time.Second)
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
				if count(before, "b") > 0 || len(before) < 90 || s.most > 2 {
					t.Fatalf("%d starts before, %d at once", len(before), s.most)
				}
				// Each sequence may have claimed and started tasks of the flood before it learns of b.
				if first := strings.Index(strings.Join(order, ""), "b"); first < 0 || first > 4 {
					t.Errorf("order %v", order)
				}
				if last := strings.LastIndex(strings.Join(order, ""), "b"); strict && last > 24 {
					t.Errorf("strict: order %v", order)
				}
				if got := s.order(); len(got) != 1020 {
					t.Errorf("%d starts", len(got))
				}
			})
		})
	}
}

func TestWrongSlotsAreRefused(t *testing.T) {
	for want, cfg := range map[string]Config{
		`queues.a.slots names "t", which is not under slots`: {Queues: map[string]task.QueueConfig{"a": {Slots: "t"}}},
		"slots.s is used by no queue":                        {Queues: map[string]task.QueueConfig{"a": {}}, Slots: map[string]task.Slots{"s": {}}},
		"queues.a.workers must be left out":                  {Queues: map[string]task.QueueConfig{"a": {Slots: "s", Workers: 1}}, Slots: map[string]task.Slots{"s": {}}},
		"queues.a.weight needs slots":                        {Queues: map[string]task.QueueConfig{"a": {Weight: 2}}},
		"queues.a.weight must be from 1 to 1000":             {Queues: map[string]task.QueueConfig{"a": {Slots: "s", Weight: 1001}}, Slots: map[string]task.Slots{"s": {}}},
		"slots.s.workers must be from 1":                     {Queues: map[string]task.QueueConfig{"a": {Slots: "s"}}, Slots: map[string]task.Slots{"s": {Workers: -1}}},
		"queues.a.slots cannot be set: the queue is that of the handler": {Queues: map[string]task.QueueConfig{"a": {Slots: "s"}}, Slots: map[string]task.Slots{"s": {}},
			Handlers: map[string]task.HandlerConfig{"a": {Concurrency: 1}}},
	} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
