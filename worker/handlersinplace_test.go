package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Attempts that follow in place keep the slot of the handler, whatever queue their task comes
// from. The slots are free again at the end, also if a following attempt cannot start.
func TestConcurrencyHoldsForAttemptsInPlace(t *testing.T) {
	for name, c := range map[string]struct {
		exchange, renewal fault              // while the first reports are sent
		during            func(*testReplica) // meanwhile
		starts            int                // of each task; 0 for any number
	}{
		"nothing":              {none, none, func(*testReplica) {}, 3},
		"the replies are lost": {lose, none, func(*testReplica) {}, 3},
		"a stop is requested":  {fail, none, func(tr *testReplica) { tr.store.requestStop("default-0") }, 0},
		"the timeout passes":   {lose, none, func(tr *testReplica) { tr.advance(90 * time.Second) }, 0},
		"the leases end":       {lose, lose, func(tr *testReplica) { tr.advance(40 * time.Second) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{
					Lease:    30 * time.Second,
					Queues:   map[string]task.QueueConfig{"default": {Workers: 4}, "other": {Workers: 4}},
					Handlers: map[string]task.HandlerConfig{"cut": {Concurrency: 2}},
					Policies: map[string]task.Policy{"cut": {InPlace: 2}},
				})
				var cut gauge
				work := cut.handler(tr, 100*time.Millisecond)
				began := map[string]int{}
				tr.r.Handle("cut", func(ctx context.Context, k *task.Task) ([]byte, error) {
					tr.store.mu.Lock()
					began[k.ID]++
					tr.store.mu.Unlock()
					if _, err := work(ctx, k); err != nil || k.Failures >= 2 {
						return nil, err
					}
					return nil, errors.New("boom")
				})
				for _, q := range []string{"cut", "default", "other"} {
					for i := range 4 {
						tr.store.put(task.Spec{ID: fmt.Sprint(q, "-", i), Kind: "cut", Queue: q, Timeout: time.Minute})
					}
				}
				tr.run()
				tr.advance(50 * time.Millisecond) // the first two attempts run
				tr.store.setFault(func(op string) fault {
					return map[string]fault{"exchange": c.exchange, "renew": c.renewal}[op]
				})
				tr.advance(100 * time.Millisecond)
				c.during(tr)
				tr.store.setFault(func(string) fault { return none })
				tr.advance(10 * time.Minute)
				for _, q := range []string{"cut", "default", "other"} {
					for i := range 4 {
						id := fmt.Sprint(q, "-", i)
						if k := tr.store.task(id); !k.State.Terminal() || c.starts > 0 && (k.State != task.Succeeded || began[id] != c.starts) {
							t.Errorf("%s is %s after %d starts", id, k.State, began[id])
						}
					}
				}
				if cut.most != 2 {
					t.Errorf("up to %d attempts ran at once, want 2", cut.most)
				}
				for _, q := range tr.r.queues.all {
					if n := q.free[0] + q.free[1]; n != tr.r.cfg.Queues[q.name].Workers {
						t.Errorf("%d slots of queue %s are free at the end", n, q.name)
					}
				}
				if tr.r.queues.taken != 0 || tr.r.held.running != 0 {
					t.Errorf("%d slots taken, %d running", tr.r.queues.taken, tr.r.held.running)
				}
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
