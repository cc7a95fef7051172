package integration

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// 8 replicas with 50 slots each, within one process. As long as L tasks wait,
// exactly L handlers run. Never more than L handlers run, whatever they do.
func TestLimitHoldsOverAllReplicas(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 100} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			s := newSite(t)
			c := s.client()
			var g gauge
			hold := make(chan struct{})
			cfg := pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 50, Limit: limit}}}
			s.replicas(8, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
				g.enter()
				defer g.exit()
				<-hold
				time.Sleep(rand.N(3 * time.Millisecond)) // the work
				return nil, nil
			})
			tasks := 150 + 10*limit
			specs := make([]pool.Spec, tasks)
			for i := range specs {
				specs[i] = pool.Spec{Kind: "step", Priority: int8(rand.IntN(5))}
			}
			enqueueAll(t, c, specs)
			eventually(t, prompt, "as many tasks run as may run", func() bool {
				now, _, _ := g.read()
				return now == limit
			})
			if st := stats(t, c); st.Running != limit || st.Waiting != tasks-limit {
				t.Errorf("%d run and %d wait, want %d and %d", st.Running, st.Waiting, limit, tasks-limit)
			}
			close(hold)
			idle(t, c)
			now, top, starts := g.read()
			if now != 0 || top != limit || starts != tasks {
				t.Errorf("%d handlers run, at most %d did at once and %d in all; want 0, %d and %d", now, top, starts, limit, tasks)
			}
		})
	}
}

// The limit of the pool holds across queues.
func TestPoolLimitHoldsOverQueues(t *testing.T) {
	const limit, tasks = 5, 400
	s := newSite(t)
	c := s.client()
	var g gauge
	cfg := pool.Config{
		Queues: map[string]pool.Queue{"a": {Workers: 10}, "b": {Workers: 10}, "c": {Workers: 10, Limit: 3}},
		Limit:  limit,
	}
	var inC gauge
	s.replicas(4, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		g.enter()
		defer g.exit()
		if tk.Queue == "c" {
			inC.enter()
			defer inC.exit()
		}
		time.Sleep(rand.N(2 * time.Millisecond)) // the work
		return nil, nil
	})
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Queue: string("abc"[i%3])}
	}
	enqueueAll(t, c, specs)
	idle(t, c)
	if _, top, starts := g.read(); top != limit || starts != tasks {
		t.Errorf("at most %d handlers ran at once and %d in all; want %d and %d", top, starts, limit, tasks)
	}
	if _, top, _ := inC.read(); top > 3 {
		t.Errorf("%d handlers of the queue with limit 3 ran at once", top)
	}
}

// After the limit was lowered below the running count, no task starts until the
// count is below the limit. A raised limit is used at once.
func TestLimitChangedWhileTasksRun(t *testing.T) {
	s := newSite(t)
	c := s.client()
	started, proceed := make(chan string, 100), make(chan struct{})
	p := s.pool(pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 10, Limit: 5}, "other": {Workers: 1}}})
	p.HandleKind("step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		<-proceed
		return nil, nil
	})
	p.HandleKind("probe", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	s.serve(p)
	for range 20 {
		enqueue(t, c, pool.Spec{Kind: "step"})
	}
	for range 5 {
		receive(t, started, patience, "the first five starts")
	}
	if err := c.SetLimit(t.Context(), pool.QueueScope, pool.DefaultQueue, 2); err != nil {
		t.Fatal(err)
	}
	for running := 4; running >= 2; running-- {
		send(t, proceed, struct{}{}, "a handler waits for its end")
		eventually(t, patience, "the finished task is reported", func() bool { return stats(t, c).Running == running })
		// When this task has ended, the replica has made an exchange with a
		// claim of each queue.
		await(t, c, enqueue(t, c, pool.Spec{Kind: "probe", Queue: "other"}))
		if len(started) > 0 {
			t.Fatalf("a task started while %d ran under a limit of 2", running)
		}
	}
	send(t, proceed, struct{}{}, "a handler waits for its end")
	receive(t, started, prompt, "a start below the limit")

	raised := time.Now()
	if err := c.SetLimit(t.Context(), pool.QueueScope, pool.DefaultQueue, 8); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		receive(t, started, prompt, "the raised limit is used")
	}
	t.Logf("six more ran %v after the limit was raised", time.Since(raised))
	if st := stats(t, c); st.Running != 8 {
		t.Errorf("%d tasks run, want 8", st.Running)
	}
	close(proceed)
	idle(t, c)
}

// If two replicas configure different limits, the limit of the replica that
// joined last wins, and that replica warns. A replica that configures the same
// limit as before does not change a limit that was set live.
func TestNewestConfiguredLimitWinsAndWarns(t *testing.T) {
	s := newSite(t)
	c := s.client()
	join := func(limit int) *diary {
		var log diary
		p := s.pool(pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 1, Limit: limit}}, Logger: log.logger()})
		p.HandleKind("step", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
		before := stats(t, c).Replicas
		s.serve(p)
		s.awaitReplicas(before + 1)
		return &log
	}
	limit := func() int { return stats(t, c).Queues[0].Limit }
	enqueue(t, c, pool.Spec{Kind: "nobody", Delay: time.Hour}) // lists the queue

	if log := join(5); limit() != 5 || strings.Contains(log.String(), "limit") {
		t.Errorf("limit %d, log %q", limit(), log)
	}
	log := join(3)
	eventually(t, patience, "a warning about the changed limit", func() bool {
		return strings.Contains(log.String(), "queues.default.limit was 5")
	})
	if limit() != 3 {
		t.Errorf("limit %d, want 3 of the newest configuration", limit())
	}
	if err := c.SetLimit(t.Context(), pool.QueueScope, pool.DefaultQueue, 9); err != nil {
		t.Fatal(err)
	}
	join(3)
	if limit() != 9 {
		t.Errorf("limit %d, want 9 as set live", limit())
	}
}
