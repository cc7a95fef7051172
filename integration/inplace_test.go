package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// The backoff of an hour shows that the retries do not go through the queue.
func TestTaskIsRetriedInPlaceAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cfg := slots(4)
	cfg.Policies = map[string]pool.Policy{"flaky": {InPlace: 2, Backoff: pool.Backoff{Fixed: true, Base: time.Hour}}}
	var mu sync.Mutex
	fences := map[string][]int64{}
	s.replicas(2, cfg, "flaky", func(_ context.Context, k *task.Task) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		fences[k.ID] = append(fences[k.ID], k.Fence)
		k.Logf("attempt %d", k.Attempt)
		if k.Failures < 2 {
			return nil, fmt.Errorf("failure %d", k.Failures+1)
		}
		return []byte("1"), nil
	})
	c := s.client()
	specs := make([]pool.Spec, 100)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "flaky", Group: fmt.Sprint("g", i%7)}
	}
	for _, r := range enqueueAll(t, c, specs) {
		k := await(t, c, r.ID)
		if k.State != task.Succeeded || k.Attempt != 3 || k.Failures != 2 {
			t.Fatalf("the task: %+v", k)
		}
		history, err := c.History(t.Context(), r.ID)
		if err != nil || len(history) != 3 {
			t.Fatalf("history: %+v, %v", history, err)
		}
		for i, a := range history {
			want := fmt.Sprint("failure ", i+1)
			if i == 2 {
				want = ""
			}
			if a.Attempt != int64(i+1) || a.Error != want || a.Log != fmt.Sprintf("attempt %d\n", i+1) || a.Replica != history[0].Replica {
				t.Errorf("entry %d: %+v", i, a)
			}
		}
		mu.Lock()
		if f := fences[r.ID]; len(f) != 3 || len(slices.Compact(slices.Clone(f))) != 1 {
			t.Errorf("the fences %v", f)
		}
		mu.Unlock()
	}
	idle(t, c)
}

func TestStopEndsRetriesInPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cfg := slots(1)
	cfg.Policies = map[string]pool.Policy{"flaky": {InPlace: 1000}}
	second := make(chan struct{}, 1)
	s.replicas(1, cfg, "flaky", func(ctx context.Context, k *task.Task) ([]byte, error) {
		if k.Attempt == 2 {
			second <- struct{}{}
			<-ctx.Done()
		}
		return nil, errors.New("boom")
	})
	c := s.client()
	id := enqueue(t, c, pool.Spec{Kind: "flaky", MaxAttempts: 10000})
	receive(t, second, patience, "the second attempt")
	if _, err := c.Stop(t.Context(), pool.Filter{IDs: []string{id}}, "enough"); err != nil {
		t.Fatal(err)
	}
	if k := await(t, c, id); k.State != task.Stopped || k.Attempt != 2 {
		t.Errorf("the task: %+v", k)
	}
	idle(t, c)
}
