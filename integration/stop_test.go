package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A running task is stopped by another client. Its context ends at once with
// the cause, and the task is not retried.
func TestStopReachesARunningHandler(t *testing.T) {
	s := newSite(t)
	c := s.client()
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	var starts gauge
	s.replicas(2, slots(2), "step", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		starts.enter()
		started <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, errors.New("interrupted")
	})
	var took []time.Duration
	for range 20 {
		id := enqueue(t, c, pool.Spec{Kind: "step", MaxAttempts: 10})
		receive(t, started, patience, "the start")
		begin := time.Now()
		if n, err := c.Stop(t.Context(), pool.Filter{IDs: []string{id}}, "not wanted"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if cause := receive(t, ended, prompt, "the end of the handler's context"); cause != pool.ErrStopped {
			t.Errorf("the context ended because of %v", cause)
		}
		took = append(took, time.Since(begin))
		task := await(t, c, id)
		if task.State != pool.Stopped || task.Attempt != 1 || task.StopWhy != "not wanted" {
			t.Errorf("the task is %+v", task)
		}
	}
	t.Logf("from the stop to the end of the context: p50 %v max %v", percentile(took, 50), percentile(took, 100))
	if _, _, n := starts.read(); n != 20 {
		t.Errorf("%d starts of 20 stopped tasks", n)
	}
}

// Many tasks are stopped while other work continues: no stopped task starts
// again.
func TestStopStormRestartsNothing(t *testing.T) {
	tasks := volume(1000, 3000)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t)
	c := s.client()
	cfg := slots(25)
	cfg.Policies = map[string]pool.Policy{"step": {Backoff: pool.Backoff{Fixed: true, Base: time.Millisecond}}}
	s.replicas(4, cfg, "step", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		work := time.NewTimer(time.Duration(rand.Int64N(int64(20 * time.Millisecond))))
		defer work.Stop()
		select {
		case <-work.C:
		case <-ctx.Done():
		}
		switch rand.IntN(4) {
		case 0:
			return nil, errors.New("again")
		case 1:
			return nil, pool.Snooze(time.Millisecond)
		}
		return nil, nil
	})
	ids := make([]string, tasks)
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		ids[i] = fmt.Sprint("task-", i)
		specs[i] = pool.Spec{ID: ids[i], Kind: "step", MaxAttempts: 50, Retain: new(time.Hour)}
		if i%5 == 0 {
			specs[i].Delay = time.Duration(rnd.Int64N(int64(500 * time.Millisecond)))
		}
	}
	enqueueAll(t, c, specs)
	rnd.Shuffle(tasks, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var storm sync.WaitGroup
	for i := range 4 {
		c := s.client()
		storm.Go(func() {
			for part := ids[i*tasks/8 : (i+1)*tasks/8]; len(part) > 0; part = part[min(len(part), 7):] {
				_, err := c.Stop(context.Background(), pool.Filter{IDs: part[:min(len(part), 7)]}, "storm")
				if err != nil && !errors.Is(err, pool.ErrEnded) {
					t.Error(err)
				}
			}
		})
	}
	storm.Wait()
	idle(t, c)
	stopped := 0
	for id, l := range s.oneEndEach(tasks) {
		switch l[len(l)-1].State {
		case pool.Stopped:
			stopped++
		case pool.Failed:
			t.Errorf("task %s failed: %v", id, l)
		}
	}
	t.Logf("%d of %d tasks were stopped in time", stopped, tasks/2)
	if stopped == 0 {
		t.Error("no task was stopped before its end")
	}
}

// Stop races with claim, success, retry and release. Each task has one terminal
// state. A task that was not running does not run after its stop. A stop that
// comes too late gets the final state.
func TestStopAgainstEverythingEndsOnce(t *testing.T) {
	tasks := volume(200, 600)
	s := newSite(t)
	c := s.client()
	cfg := slots(10)
	cfg.Policies = map[string]pool.Policy{"step": {Backoff: pool.Backoff{Fixed: true, Base: time.Millisecond}}}
	s.replicas(2, cfg, "step", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		switch rand.IntN(3) {
		case 0:
			return nil, errors.New("again")
		case 1:
			return nil, pool.Snooze(time.Millisecond)
		}
		return nil, nil
	})
	stores := s.store()
	for i := range tasks {
		id := enqueue(t, c, pool.Spec{Kind: "step", ID: fmt.Sprint("task-", i), MaxAttempts: 1000, Retain: new(time.Hour)})
		for range rand.IntN(100) { // a wait shorter than a timer allows
			runtime.Gosched()
		}
		changes, err := stores.Stop(t.Context(), "enough", id)
		if err != nil {
			t.Fatal(err)
		}
		change := changes[0]
		task := await(t, c, id)
		switch {
		case change.Done && change.State != pool.Running && task.State != pool.Stopped:
			t.Errorf("%s: the stop took effect on a task that is %s, and it %s", id, change.State, task.State)
		case !change.Done && change.State != task.State:
			t.Errorf("%s: the stop got the state %s, and the task is %s", id, change.State, task.State)
		case task.State != pool.Stopped && task.State != pool.Succeeded:
			t.Errorf("%s is %s", id, task.State)
		}
		if _, err := c.Stop(t.Context(), pool.Filter{IDs: []string{id}}, ""); task.State == pool.Succeeded && !errors.Is(err, pool.ErrEnded) {
			t.Errorf("stopping a task that has succeeded: %v", err)
		}
	}
	ends := map[pool.State]int{}
	for _, l := range s.oneEndEach(tasks) {
		ends[l[len(l)-1].State]++
	}
	t.Logf("ends: %v", ends)
}

// Stop races with the reaper. A task whose replica died after a stop was
// requested is stopped, not started again. A task that was reaped first is
// stopped in its queue.
func TestStopAgainstTheReaperEndsOnce(t *testing.T) {
	s := newSite(t)
	c := s.client()
	st := s.store()
	reap := func(done func() bool) {
		eventually(t, patience, "the lease is reaped", func() bool {
			if _, err := st.Maintain(context.Background(), "reaper"); err != nil {
				t.Fatal(err)
			}
			return done()
		})
	}
	for _, stopFirst := range []bool{true, false} {
		id := enqueue(t, c, pool.Spec{Kind: "step"})
		held := s.seize(fmt.Sprint("ghost-", stopFirst), pool.DefaultQueue, 1, 50*time.Millisecond)[0]
		if !stopFirst {
			reap(func() bool { return get(t, c, id).State == pool.Waiting })
		}
		if n, err := c.Stop(t.Context(), pool.Filter{IDs: []string{id}}, "enough"); n != 1 || err != nil {
			t.Error(n, err)
		}
		reap(func() bool { return get(t, c, id).State == pool.Stopped })
		if v := s.report(task.Report{ID: id, Fence: held.Fence, Op: task.Succeed, Code: task.CodeOK}); v == task.Accepted {
			t.Error("a report after the end was accepted")
		}
		if task := get(t, c, id); task.State != pool.Stopped || task.StopWhy != "enough" && task.Error != "enough" {
			t.Errorf("the task is %+v", task)
		}
		if got := s.seize(fmt.Sprint("thief-", stopFirst), pool.DefaultQueue, 1, time.Minute); len(got) != 0 {
			t.Errorf("claimed %v", got)
		}
	}
	for _, l := range s.oneEndEach(2) {
		if d := cmp.Diff(1, l.ends()); d != "" {
			t.Error(d)
		}
	}
}
