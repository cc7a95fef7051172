package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A task that runs for several leases on a healthy replica is never reclaimed,
// not even while the replica drains. The test needs real time.
func TestHealthyReplicaKeepsALongTask(t *testing.T) {
	t.Parallel()
	const lease = 3 * time.Second // a busy machine must renew within it
	leases := time.Duration(volume(3, 10))
	s := newSite(t)
	c := s.client()
	cfg := slots(1)
	cfg.Lease, cfg.DrainTimeout = lease, time.Minute
	long := s.pool(cfg)
	started := make(chan struct{})
	long.HandleKind("long", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		close(started) // a second start panics
		work := time.NewTimer(leases * lease)
		defer work.Stop()
		select {
		case <-work.C:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	})
	stop := s.serve(long)
	id := enqueue(t, c, pool.Spec{Kind: "long", Retain: new(time.Hour)})
	receive(t, started, patience, "the start")
	other := s.pool(cfg)
	other.HandleKind("long", func(context.Context, *task.Task) ([]byte, error) {
		t.Error("the task was started a second time")
		return nil, nil
	})
	s.serve(other)

	half := time.NewTimer(leases * lease / 2)
	<-half.C
	if err := stop(); err != nil { // waits for the second half of the task
		t.Error(err)
	}
	task := get(t, c, id)
	if task.State != pool.Succeeded || task.Attempt != 1 || task.Lost != 0 || task.EndedAt.Sub(task.StartedAt) < leases*lease {
		t.Errorf("the task is %+v", task)
	}
	if n := stats(t, c).LeasesLost; n != 0 {
		t.Errorf("%d leases were lost", n)
	}
}

// Ten replicas reap at once without the maintenance lock. Each ended lease has
// one effect.
func TestTenReapersTakeEachLeaseOnce(t *testing.T) {
	const tasks, reapers = task.MaxClaim, 10
	s := newSite(t)
	c := s.client()
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", ID: fmt.Sprint("task-", i)}
	}
	enqueueAll(t, c, specs)
	if got := s.seize("ghost", pool.DefaultQueue, tasks, 50*time.Millisecond); len(got) != tasks {
		t.Fatalf("the dead replica claimed %d tasks", len(got))
	}
	var wg sync.WaitGroup
	for i := range reapers {
		st, rdb := s.store(), s.rdb
		wg.Go(func() {
			for late := time.Now().Add(patience); ; {
				// The lock only saves work; correctness must not depend on it.
				if err := rdb.Del(context.Background(), s.key("lock:maintenance")).Err(); err != nil {
					t.Error(err)
					return
				}
				if _, err := st.Maintain(context.Background(), fmt.Sprint("reaper-", i)); err != nil {
					t.Error(err)
					return
				}
				stats, err := c.Stats(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if stats.Running == 0 {
					return
				}
				if time.Now().After(late) {
					t.Errorf("%d tasks still run after %v", stats.Running, patience)
					return
				}
			}
		})
	}
	wg.Wait()
	if st := stats(t, c); st.LeasesLost != tasks || st.Waiting != tasks {
		t.Errorf("%d leases lost, %d tasks waiting, want %d of both", st.LeasesLost, st.Waiting, tasks)
	}
	for id, l := range s.history() {
		l.check(t)
		if n := l.count(pool.Waiting, pool.CodeLost); n != 1 {
			t.Errorf("task %s has %d events of its loss", id, n)
		}
	}
	for _, spec := range specs[:10] {
		if task := get(t, c, spec.ID); task.Lost != 1 || task.State != pool.Waiting {
			t.Errorf("the task is %+v", task)
		}
	}
}
