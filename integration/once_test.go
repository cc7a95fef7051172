package integration

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// number returns the number that is the payload of a task, or -1.
func number(payload []byte) int {
	n, err := strconv.Atoi(string(payload))
	if err != nil {
		return -1
	}
	return n
}

// 4 replicas with 25 slots each.
func TestEveryTaskIsHandledOnce(t *testing.T) {
	tasks := volume(5000, 100_000)
	s := newSite(t)
	c := s.client()

	handled := make([]atomic.Int32, tasks)
	var stops []func() error
	for range 4 {
		p := s.pool(slots(25))
		p.HandleKind("count", func(_ context.Context, tk *task.Task) ([]byte, error) {
			handled[number(tk.Payload)].Add(1)
			return nil, nil
		})
		stops = append(stops, s.serve(p))
	}
	s.awaitReplicas(4)

	sampled := make(chan struct{})
	var sampling sync.WaitGroup
	samples := 0
	stopSampling := sync.OnceFunc(func() { close(sampled); sampling.Wait() })
	defer stopSampling()
	sampling.Go(func() {
		for {
			select {
			case <-sampled:
				return
			default:
			}
			st, err := c.Stats(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			live, ended := int64(st.Scheduled+st.Waiting+st.Running), int64(0)
			for _, n := range st.Ended {
				ended += n
			}
			if st.Enqueued+st.Retried != live+ended {
				t.Errorf("enqueued %d, but live %d and ended %d: %+v", st.Enqueued, live, ended, st)
				return
			}
			if st.Running > 100 {
				t.Errorf("%d tasks run in 100 slots", st.Running)
			}
			samples++
		}
	})

	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "count", Payload: strconv.AppendInt(nil, int64(i), 10)}
	}
	enqueueAll(t, c, specs)
	st := idle(t, c)
	stopSampling()
	t.Logf("%d samples", samples)
	if st.Enqueued != int64(tasks) || st.Ended[pool.Succeeded] != int64(tasks) {
		t.Errorf("enqueued %d and succeeded %d, want %d of both", st.Enqueued, st.Ended[pool.Succeeded], tasks)
	}
	for i := range handled {
		if n := handled[i].Load(); n != 1 {
			t.Fatalf("task %d was handled %d times", i, n)
		}
	}
	for _, stop := range stops {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	s.onlyKeys("events", "meta", "queues", "stats", "former", "former:left", "served:", "call:", "load:", "lock:")
}

// idleKeys are the keys of a pool with live replicas that keeps no task.
var idleKeys = []string{
	"events", "meta", "queues", "stats", "replicas", "replica:", "former", "former:left", "signals:", "class:", "served:", "host:", "idle:", "call:", "load:", "lock:",
}

// nothingRuns fails the test if the pool has a claim, a lease or a running
// task.
func (s *site) nothingRuns() {
	s.t.Helper()
	ctx := context.Background()
	for _, key := range []string{"run:" + pool.DefaultQueue, "claims", "leases"} {
		if n, err := s.rdb.Exists(ctx, s.key(key)).Result(); n != 0 || err != nil {
			s.t.Errorf("key %s is left: %v", key, err)
		}
	}
}

// onlyKeys fails the test if the pool has a key that is not named. A name that
// ends with a colon is a prefix.
func (s *site) onlyKeys(names ...string) {
	s.t.Helper()
	ctx := context.Background()
	keys := s.rdb.Scan(ctx, 0, s.key("*"), 10_000).Iterator()
	for keys.Next(ctx) {
		name := strings.TrimPrefix(keys.Val(), s.key(""))
		known := slices.ContainsFunc(names, func(n string) bool {
			return n == name || strings.HasSuffix(n, ":") && strings.HasPrefix(name, n)
		})
		if !known {
			s.t.Errorf("key %s is left", name)
		}
	}
	if err := keys.Err(); err != nil {
		s.t.Fatal(err)
	}
}
