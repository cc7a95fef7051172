package integration

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// gate is a Config.Admit whose answer the test sets.
type gate struct{ closed atomic.Bool }

func (g *gate) admit(context.Context) error {
	if g.closed.Load() {
		return errors.New("the gate is closed")
	}
	return nil
}

// runsOn sends the name of a replica for each task that it starts.
func runsOn(name string, started chan<- string) pool.Handler {
	return func(context.Context, *task.Task) ([]byte, error) {
		started <- name
		return nil, nil
	}
}

// Two replicas with free slots, of which one refuses: every task starts at once on the other,
// also if the refusing one would have been signalled for it. The slow poll must not be needed.
func TestTasksStartElsewhereWhileAReplicaRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	started := make(chan string, 100)
	gates, pools := map[string]*gate{"a": {}, "b": {}}, map[string]*pool.Pool{}
	for name, g := range gates {
		cfg := slots(2)
		cfg.Admit = g.admit
		p := s.pool(cfg)
		p.HandleKind("k", runsOn(name, started))
		s.serve(p)
		pools[name] = p
	}
	s.awaitIdle(2)
	refusing := func(n int) {
		t.Helper()
		eventually(t, patience, strconv.Itoa(n)+" replicas that refuse", func() bool {
			live, err := c.Replicas(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			refuse := 0
			for _, r := range live {
				if r.Refuses == "the gate is closed" {
					refuse++
				}
			}
			return refuse == n
		})
	}

	gates["a"].closed.Store(true)
	eventually(t, patience, "a refusal", func() bool { return pools["a"].Health().Refuses != "" })
	for range 30 {
		// A task is enqueued when the last one has started, so each needs a signal. At first the
		// refusing replica may still be listed as idle.
		enqueue(t, c, pool.Spec{Kind: "k"})
		if on := receive(t, started, prompt, "a start on b"); on != "b" {
			t.Fatalf("a task started on %s", on)
		}
	}
	refusing(1)

	gates["b"].closed.Store(true)
	refusing(2)
	enqueue(t, c, pool.Spec{Kind: "k"})
	enqueue(t, c, pool.Spec{Kind: "k"})
	if st := stats(t, c); st.Waiting != 2 {
		t.Errorf("%d tasks wait while both replicas refuse", st.Waiting)
	}
	gates["a"].closed.Store(false)
	for range 2 {
		if on := receive(t, started, prompt, "a start on a"); on != "a" {
			t.Errorf("a task started on %s", on)
		}
	}
	gates["b"].closed.Store(false)
	refusing(0)
}

// While the only replica refuses, it admits the inbox, makes due tasks wait and renews its
// lease. Its running task ends.
func TestRefusingReplicaKeepsItsOtherDuties(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	g := &gate{}
	cfg := slots(4)
	cfg.Admit, cfg.Lease = g.admit, 6*time.Second // a busy machine must renew within the lease
	p := s.pool(cfg)
	entered, release := make(chan string, 10), make(chan struct{})
	p.HandleKind("k", func(_ context.Context, t *task.Task) ([]byte, error) {
		entered <- t.ID
		<-release
		return nil, nil
	})
	s.serve(p)
	first := enqueue(t, c, pool.Spec{Kind: "k"})
	receive(t, entered, patience, "the start of the first task")
	g.closed.Store(true)
	eventually(t, patience, "a refusal", func() bool { return p.Health().Refuses != "" })

	enqueue(t, c, pool.Spec{Kind: "k", Delay: time.Second})
	if err := s.rdb.RPush(t.Context(), s.key("inbox"), `{"kind":"k"}`).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "two waiting tasks", func() bool {
		st := stats(t, c)
		return st.Waiting == 2 && st.Scheduled == 0 && st.Inbox == 0
	})
	seen := func() time.Time {
		live, err := c.Replicas(t.Context())
		if err != nil || len(live) != 1 {
			t.Fatal(live, err)
		}
		return live[0].SeenAt
	}
	at := seen()
	eventually(t, patience, "a renewal after a whole lease", func() bool { return seen().Sub(at) > cfg.Lease })
	close(release)
	if got := await(t, c, first); got.Attempt != 1 || got.State != task.Succeeded {
		t.Errorf("the task that ran is %s after attempt %d", got.State, got.Attempt)
	}
	if st := stats(t, c); st.Waiting != 2 {
		t.Errorf("%d tasks wait", st.Waiting)
	}
	g.closed.Store(false)
	for range 2 {
		receive(t, entered, prompt, "a start after the refusal")
	}
}
