package integration

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// cut is the arguments of a kind with a queue of its own.
type cut struct{}

func (cut) Kind() string { return "cut" }

// Tasks that name no queue wait in the own queue of their kind if the pool that enqueues them,
// or the replica that admits them, has one. Other programs use the default queue.
func TestTasksOfAKindWithAConcurrencyGoToItsQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cfg := slots(1)
	cfg.Handlers = map[string]pool.HandlerConfig{"cut": {Concurrency: 2}}
	front := s.pool(pool.Config{Handlers: cfg.Handlers})
	queueOf := func(id string) string {
		t.Helper()
		return get(t, front, id).Queue
	}
	enqueued := func(r pool.Receipt, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	retain := pool.Retain(time.Hour)
	specs := []pool.Spec{{Kind: "cut"}, {Kind: "cut", Queue: "default"}, {Kind: "k"}}
	many := enqueueAll(t, front, specs)
	for name, c := range map[string]struct{ id, queue string }{
		"typed":          {enqueued(front.Enqueue(t.Context(), cut{}, retain)), "cut"},
		"typed, default": {enqueued(front.Enqueue(t.Context(), cut{}, retain, pool.InQueue("default"))), "default"},
		"spec":           {enqueue(t, front, pool.Spec{Kind: "cut"}), "cut"},
		"spec, other":    {enqueue(t, front, pool.Spec{Kind: "cut", Queue: "other"}), "other"},
		"other kind":     {enqueue(t, front, pool.Spec{Kind: "k"}), "default"},
		"many":           {many[0].ID, "cut"},
		"many, default":  {many[1].ID, "default"},
		"many, other":    {many[2].ID, "default"},
		"other program":  {enqueue(t, s.client(), pool.Spec{Kind: "cut"}), "default"},
	} {
		if got := queueOf(c.id); got != c.queue {
			t.Errorf("%s: the task waits in queue %s, want %s", name, got, c.queue)
		}
	}
	if specs[0].Queue != "" {
		t.Error("the specs of the caller were changed")
	}

	p := s.pool(cfg)
	entered, release := make(chan string, 100), make(chan struct{})
	defer close(release)
	handler := func(ctx context.Context, tk *task.Task) ([]byte, error) {
		entered <- tk.ID
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, nil
	}
	p.HandleKind("cut", handler)
	p.HandleKind("k", handler)
	s.serve(p)
	for id, entry := range map[string]string{
		"pushed": `{"id":"pushed","kind":"cut"}`, "pushed-default": `{"id":"pushed-default","kind":"cut","queue":"default"}`,
	} {
		if err := s.rdb.RPush(t.Context(), s.key("inbox"), entry).Err(); err != nil {
			t.Fatal(id, err)
		}
	}
	eventually(t, patience, "the admission of the inbox", func() bool {
		tasks, err := front.Get(t.Context(), "pushed-default")
		return err == nil && tasks != nil
	})
	for id, want := range map[string]string{"pushed": "cut", "pushed-default": "default"} {
		eventually(t, patience, "a task "+id, func() bool {
			tk, err := front.Get(t.Context(), id)
			return err == nil && tk != nil
		})
		if got := queueOf(id); got != want {
			t.Errorf("task %s waits in queue %s, want %s", id, got, want)
		}
	}
	live, err := front.Replicas(t.Context())
	if err != nil || len(live) != 1 || live[0].Queues["cut"] != 2 || live[0].Queues["default"] != 1 {
		t.Errorf("the replicas are %+v, %v", live, err)
	}
}

// The concurrency of a handler is per replica. It holds in each of them, for tasks of its own
// queue and of a shared one, and every task runs.
func TestConcurrencyHoldsInEachReplica(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const replicas, concurrency = 2, 2
	c := s.client()
	var over atomic.Int32
	done := make(chan string, 1000)
	for range replicas {
		cfg := slots(8)
		cfg.Handlers = map[string]pool.HandlerConfig{"cut": {Concurrency: concurrency}}
		p := s.pool(cfg)
		var running atomic.Int32
		p.HandleKind("cut", func(context.Context, *task.Task) ([]byte, error) {
			if running.Add(1) > concurrency {
				over.Add(1)
			}
			time.Sleep(10 * time.Millisecond) // the time of its work
			running.Add(-1)
			done <- ""
			return nil, nil
		})
		s.serve(p)
	}
	s.awaitReplicas(replicas)
	n := 0
	for _, q := range []string{"cut", "default"} {
		specs := make([]pool.Spec, 60)
		for i := range specs {
			specs[i] = pool.Spec{Kind: "cut", Queue: q, ID: q + strconv.Itoa(i)}
		}
		n += len(enqueueAll(t, c, specs))
	}
	for range n {
		receive(t, done, patience, "the end of a task")
	}
	if over.Load() > 0 {
		t.Errorf("%d attempts began beyond the concurrency of their replica", over.Load())
	}
	eventually(t, patience, "the end of all tasks", func() bool { return stats(t, c).Ended[task.Succeeded] == int64(n) })
	if st := stats(t, c); st.Ended[task.Failed] > 0 || st.LeasesLost > 0 {
		t.Errorf("the pool says %+v", st)
	}
}

// Tasks of a kind that is disabled in one replica run on the other, from its own queue and from
// a shared one. If the kind is disabled everywhere, they wait and use no attempt.
func TestDisabledHandlerLeavesItsTasksToOtherReplicas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	started := make(chan string, 100)
	join := func(name string, disabled bool) (stop func() error) {
		cfg := slots(2)
		cfg.Handlers = map[string]pool.HandlerConfig{"cut": {Concurrency: 2, Disabled: disabled}}
		p := s.pool(cfg)
		p.HandleKind("cut", runsOn(name, started))
		stop = s.serve(p)
		receive(t, p.Joined(), patience, "the join")
		return stop
	}
	join("a", true)
	own := enqueue(t, c, pool.Spec{Kind: "cut", Queue: "cut"})
	shared := enqueue(t, c, pool.Spec{Kind: "cut"})
	eventually(t, patience, "a release of the task in the shared queue", func() bool { return get(t, c, shared).Attempt > 0 })
	if tk := get(t, c, own); tk.State != task.Waiting || tk.Attempt != 0 {
		t.Errorf("the task in the own queue is %s after %d claims", tk.State, tk.Attempt)
	}
	if tk := get(t, c, shared); tk.State.Terminal() || tk.Failures != 0 || tk.Lost != 0 {
		t.Errorf("the task in the shared queue is %+v", tk)
	}
	live, err := c.Replicas(t.Context())
	if err != nil || len(live) != 1 || len(live[0].Disabled) != 1 || live[0].Queues["cut"] != 0 {
		t.Errorf("the replicas are %+v, %v", live, err)
	}

	join("b", false)
	for range 2 {
		if on := receive(t, started, patience, "a start"); on != "b" {
			t.Errorf("a task started on %s", on)
		}
	}
	if tk := await(t, c, shared); tk.State != task.Succeeded || tk.Failures != 0 {
		t.Errorf("the task ended as %s with %d failures", tk.State, tk.Failures)
	}
}
