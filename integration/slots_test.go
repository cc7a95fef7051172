package integration

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A flood in one queue takes all shared slots. Tasks of the other queue start by its weight.
func TestSharedSlotsBoundTheWaitBehindAFlood(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.pool(pool.Config{
		Slots:  map[string]pool.Slots{"shared": {Workers: 2}},
		Queues: map[string]pool.Queue{"flood": {Slots: "shared", Weight: 3}, "other": {Slots: "shared"}},
	})
	const flood, others = 300, 20
	var mu sync.Mutex
	var order []string
	running, most := 0, 0
	third := make(chan struct{}) // closed when a third of the flood has started
	p.HandleKind("k", func(_ context.Context, tk *task.Task) ([]byte, error) {
		mu.Lock()
		order = append(order, tk.Queue)
		running++
		most = max(most, running)
		if len(order) == flood/3 {
			close(third)
		}
		mu.Unlock()
		defer func() { mu.Lock(); running--; mu.Unlock() }()
		return nil, nil
	})
	specs := slices.Repeat([]pool.Spec{{Kind: "k", Queue: "flood"}}, flood)
	if _, err := p.EnqueueAll(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	s.serve(p)
	receive(t, third, patience, "a third of the flood")
	if _, err := p.EnqueueAll(t.Context(), slices.Repeat([]pool.Spec{{Kind: "k", Queue: "other"}}, others)); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "all starts", func() bool { mu.Lock(); defer mu.Unlock(); return len(order) == flood+others })
	if most > 2 {
		t.Errorf("%d tasks ran at once on two slots", most)
	}
	// Of four starts one is of the other queue. The two calls in flight may have claimed for the flood.
	first := slices.Index(order, "other")
	if last := lastIndex(order, "other"); last < 0 || last-first > 4*others+8 {
		t.Errorf("the tasks of the other queue took %d starts", last-first)
	}
}

func lastIndex(order []string, q string) int {
	for i, other := range slices.Backward(order) {
		if other == q {
			return i
		}
	}
	return -1
}
