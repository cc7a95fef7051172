package integration

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// One program has a pool on each master of a cluster. Everything that works on
// a single server works there.
func TestPoolsOfOneProgramSpreadOverACluster(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t)
	taken := map[*redisserver.Server]bool{}
	for len(taken) < len(cluster.Masters) {
		s := siteAt(t, cluster.Client)
		if master := cluster.MasterOf(t, s.key("meta")); !taken[master] {
			taken[master] = true
			s.everyday()
		}
	}
}

// everyday uses the common operations of a pool.
func (s *site) everyday() {
	s.t.Helper()
	const limit = 3
	ctx := s.t.Context()
	c, raw := s.client(), s.dial()
	var w witness
	cfg := slots(4)
	cfg.Queues[pool.DefaultQueue] = pool.Queue{Workers: 4, Limit: limit}
	replicas := s.replicas(2, cfg, "step", w.handler)
	if err := c.Check(ctx); err != nil {
		s.t.Error(err)
	}
	var heard collector
	subscribe(s.t, c, "billing", heard.take)
	s.awaitGroup("billing")

	const tasks = 60
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Payload: []byte("3"), Group: strconv.Itoa(i % 5)}
	}
	enqueueAll(s.t, c, specs)
	if err := raw.RPush(ctx, s.key("inbox"), `{"kind":"step","payload":3,"id":"pushed"}`).Err(); err != nil {
		s.t.Fatal(err)
	}
	waits, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	eventually(s.t, patience, "the pushed task has succeeded", func() bool {
		task, err := c.WaitTask(waits, "pushed") // the task may not exist yet
		return err == nil && task.State == pool.Succeeded
	})
	later := enqueue(s.t, c, pool.Spec{Kind: "step", Payload: []byte("0"), Delay: 300 * time.Millisecond})
	if task := await(s.t, c, later); task.State != pool.Succeeded {
		s.t.Errorf("the scheduled task is %+v", task)
	}
	long := enqueue(s.t, c, pool.Spec{Kind: "step", Payload: []byte("60000")})
	eventually(s.t, patience, "it runs", func() bool { return get(s.t, c, long).State == pool.Running })
	if n, err := c.Stop(ctx, pool.Filter{IDs: []string{long}}, ""); err != nil {
		s.t.Errorf("stopped %v, %v", n, err)
	}
	if task := await(s.t, c, long); task.State != pool.Stopped {
		s.t.Errorf("the stopped task is %+v", task)
	}
	idle(s.t, c)
	if _, top, _ := w.read(); top != limit {
		s.t.Errorf("%d handlers ran at once, the limit is %d", top, limit)
	}
	if live, err := c.Replicas(ctx); err != nil || len(live) != len(replicas) {
		s.t.Errorf("replicas %v, %v", live, err)
	}
	s.oneEndEach(tasks + 3)
	w.growing(s.t, s.events())
	eventually(s.t, patience, "every end is received", func() bool { return heard.count() >= tasks+3 })
}

// The pool's slot moves to another master in small steps. Meanwhile three
// replicas work under a limit, tasks arrive by enqueue and by the inbox, and
// events are read. The pool pauses while the slot moves and then continues
// without an error.
func TestSlotOfAPoolMovesDuringTraffic(t *testing.T) {
	t.Parallel()
	const limit = 5
	tasks := volume(600, 1200)
	cluster := redisserver.StartCluster(t)
	s := siteAt(t, cluster.Client)
	c, raw := s.client(), s.dial()
	var w witness
	var log diary
	cfg := slots(4)
	cfg.Queues[pool.DefaultQueue] = pool.Queue{Workers: 4, Limit: limit}
	cfg.Logger = log.logger()
	s.replicas(3, cfg, "step", w.handler)
	var heard collector
	subscribe(t, c, "billing", heard.take)
	s.awaitGroup("billing")
	ends := func(id string) <-chan *task.Task {
		got := make(chan *task.Task, 1)
		go func() {
			if task, err := c.WaitTask(t.Context(), id); err != nil {
				t.Error(err)
			} else {
				got <- task
			}
		}()
		return got
	}

	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Payload: []byte("5")}
	}
	made := enqueueAll(t, c, specs)
	last := ends(made[tasks-1].ID)
	eventually(t, patience, "work is under way", func() bool { return w.count() > 100 })
	bound := resumption + slack*w.gap() // measured on this machine before the move
	to := otherMaster(t, cluster, s)
	pace := time.NewTicker(10 * time.Millisecond) // the pace of the resharding
	defer pace.Stop()
	extra := 0
	enqueued := make(chan error, 1)
	begin := time.Now()
	moved := cluster.Move(t, s.key("meta"), to, 20, func(int) {
		<-pace.C
		if extra++; extra == 1 {
			go func() { // an enqueue waits until the move is complete
				_, err := c.EnqueueSpec(t.Context(), pool.Spec{ID: "meanwhile", Kind: "step", Payload: []byte("1")})
				enqueued <- err
			}()
		}
		entry := `{"kind":"step","payload":1,"id":"pushed` + strconv.Itoa(extra) + `"}`
		if err := raw.RPush(t.Context(), s.key("inbox"), entry).Err(); err != nil {
			t.Error("a push while the slot moves: ", err)
		}
	})
	end := time.Now()
	if err := receive(t, enqueued, bound, "the enqueue"); err != nil {
		t.Error("an enqueue while the slot moves: ", err)
	}
	eventually(t, bound, "work resumes", func() bool { return w.after(end) > 0 })
	t.Logf("%d keys moved in %v, work resumed %v after that, the longest pause was %v", moved, end.Sub(begin), w.after(end), w.gap())

	if task := receive(t, last, patience, "the end of the last"); task.State != pool.Succeeded {
		t.Errorf("the last task is %+v", task)
	}
	idle(t, c)
	if cluster.MasterOf(t, s.key("meta")) != to {
		t.Error("the slot is not where it was moved to")
	}
	all := tasks + extra + 1
	s.oneEndEach(all)
	w.growing(t, s.events())
	if _, top, starts := w.read(); top != limit || starts != all {
		t.Errorf("%d handlers ran at once and %d in all; want %d and %d", top, starts, limit, all)
	}
	eventually(t, patience, "every end is received", func() bool { return heard.count() >= all })
	// A call that was blocked on the old master now waits on the new one.
	before := time.Now()
	await(t, c, enqueue(t, c, pool.Spec{Kind: "step", Payload: []byte("0")}))
	if took := time.Since(before); took > prompt {
		t.Errorf("after the move an idle pool took %v for a task", took)
	}
	if lines := log.String(); lines != "" {
		t.Logf("the replicas logged:\n%s", lines)
	}
}

// A move that takes longer than a lease costs the running tasks their attempts.
// The contexts of their handlers end in time, and no two handlers of a task
// overlap.
func TestMoveLongerThanALeaseEndsWhatRuns(t *testing.T) {
	t.Parallel()
	const limit, tasks = 2, 4
	cluster := redisserver.StartCluster(t)
	s := siteAt(t, cluster.Client)
	c := s.client()
	var w gauge
	causes := make(chan error, tasks)
	cfg := slots(4)
	cfg.Lease = 2 * time.Second
	cfg.Queues[pool.DefaultQueue] = pool.Queue{Workers: 4, Limit: limit}
	moved := make(chan struct{})
	s.replicas(2, cfg, "step", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		w.enter()
		defer w.exit()
		select {
		case <-moved:
		case <-ctx.Done():
			causes <- context.Cause(ctx)
			return nil, ctx.Err()
		}
		return nil, nil
	})
	for range tasks {
		enqueue(t, c, pool.Spec{Kind: "step"})
	}
	eventually(t, patience, "the limit is used", func() bool { now, _, _ := w.read(); return now == limit })
	cluster.Move(t, s.key("meta"), otherMaster(t, cluster, s), 1, func(n int) {
		if n == 0 {
			for range limit {
				if err := receive(t, causes, patience, "the end of a context"); err != pool.ErrLeaseLost {
					t.Errorf("a context ended because of %v", err)
				}
			}
		}
	})
	close(moved)
	end := time.Now()
	idle(t, c)
	t.Logf("all tasks had ended %v after the move", time.Since(end))
	for id, l := range s.oneEndEach(tasks) {
		if l[len(l)-1].State != pool.Succeeded {
			t.Errorf("task %s ended as %v", id, l)
		}
	}
	if _, top, _ := w.read(); top != limit {
		t.Errorf("%d handlers ran at once, the limit is %d", top, limit)
	}
}

// otherMaster returns a master that does not have the pool.
func otherMaster(t testing.TB, cluster *redisserver.Cluster, s *site) *redisserver.Server {
	t.Helper()
	if cluster.MasterOf(t, s.key("meta")) != cluster.Masters[0] {
		return cluster.Masters[0]
	}
	return cluster.Masters[1]
}

// The master of the pool's slot is killed under load and its replica takes
// over. No replica of the pool is restarted. Writes that the Redis replica had
// not received are lost. make soak takes all failovers.
func TestMasterOfAClusterIsKilled(t *testing.T) {
	t.Parallel()
	for _, f := range sample(seeded(t), failovers, 1) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			cluster := redisserver.StartCluster(t)
			s := siteAt(t, cluster.Client, f.store...)
			old := cluster.MasterOf(t, s.key("meta"))
			s.failover(old, cluster.Replicas[slices.Index(cluster.Masters, old)], f.lags, func() {
				cluster.AwaitTakeover(t, s.key("meta"), old)
			})
		})
	}
}

// siteAt is newSite for a pool on more than one server.
func siteAt[C redis.UniversalClient](t testing.TB, dial func(testing.TB) C, opts ...redisstore.Option) *site {
	return &site{t: t, name: poolName(t), dial: func() redis.UniversalClient { return dial(t) }, opts: opts}
}
