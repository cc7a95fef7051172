package integration

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// goroutines counts the goroutines that run code of this project.
func goroutines() (n int, dump string) {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var ours []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(g, "ltsworker/worker.") || strings.Contains(g, "ltsworker/redisstore.") || strings.Contains(g, "ltsworker/pool.") {
			ours = append(ours, g)
		}
	}
	return len(ours), strings.Join(ours, "\n\n")
}

// Shutdown under load. Finished tasks are reported, no more tasks are claimed,
// the rest is released at once without using an attempt, and no goroutine
// remains.
func TestShutdownUnderLoadReleasesTheRest(t *testing.T) {
	s := newSite(t)
	c := s.client()
	baseline, _ := goroutines()
	h := func(ctx context.Context, tk *task.Task) ([]byte, error) {
		if tk.Kind == "quick" {
			return nil, nil
		}
		<-ctx.Done()
		if tk.Kind == "finishes" {
			return nil, nil // it succeeds although its context ended
		}
		return nil, context.Cause(ctx)
	}
	cfg := slots(50)
	cfg.DrainTimeout, cfg.OnFinish = 100*time.Millisecond, func(context.Context, pool.Event) {}
	var stops []func() error
	var ps []*pool.Pool
	for range 2 {
		p := s.pool(cfg)
		for _, kind := range []string{"quick", "long", "finishes"} {
			p.HandleKind(kind, h)
		}
		ps = append(ps, p)
		stops = append(stops, s.serve(p))
	}
	s.awaitReplicas(2)
	var specs []pool.Spec
	for range 20 {
		specs = append(specs, pool.Spec{Kind: "long", Priority: 9, MaxAttempts: 1})
	}
	for range 10 {
		specs = append(specs, pool.Spec{Kind: "finishes", Priority: 9})
	}
	for range 20_000 {
		specs = append(specs, pool.Spec{Kind: "quick"})
	}
	receipts := enqueueAll(t, c, specs)
	eventually(t, patience, "the load is on", func() bool {
		st := stats(t, c)
		return st.Running >= 30 && st.Ended[pool.Succeeded] > 500
	})

	begin := time.Now()
	var wg sync.WaitGroup
	for _, stop := range stops {
		wg.Go(func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("both replicas had left after %v", time.Since(begin))
	st := stats(t, c)
	if st.Running != 0 || st.Replicas != 0 {
		t.Errorf("%d tasks run, %d replicas live", st.Running, st.Replicas)
	}
	if st.Waiting < 20 {
		t.Fatalf("only %d tasks are left: the load was too small", st.Waiting)
	}
	if st.LeasesLost != 0 {
		t.Errorf("%d leases were lost", st.LeasesLost)
	}
	for i, r := range receipts[:20] {
		task := get(t, c, r.ID)
		if task.State != pool.Waiting || task.Failures != 0 || task.Code != pool.CodeReleased {
			t.Errorf("the long task %d is %+v", i, task)
		}
	}
	for _, r := range receipts[20:30] {
		if task := await(t, c, r.ID); task.State != pool.Succeeded {
			t.Errorf("a task that finished while draining is %s", task.State)
		}
	}
	for _, p := range ps {
		for range 2 {
			if err := closePool(t, p); err != nil {
				t.Error("Close: ", err)
			}
		}
	}
	for id, l := range s.history() {
		l.check(t)
		if n := l.ends(); n > 1 {
			t.Errorf("task %s has %d ends", id, n)
		}
	}
	late := time.Now().Add(patience)
	for n, dump := goroutines(); n > baseline; n, dump = goroutines() {
		if time.Now().After(late) {
			t.Fatalf("%d goroutines before and %d after:\n%s", baseline, n, dump)
		}
		runtime.Gosched()
	}
	// A replica that starts later runs the released tasks.
	next := s.pool(slots(50))
	for _, kind := range []string{"quick", "long", "finishes"} {
		next.HandleKind(kind, func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	}
	s.serve(next)
	if st := idle(t, c); st.Ended[pool.Succeeded] != int64(len(specs)) {
		t.Errorf("ends %v, want %d succeeded", st.Ended, len(specs))
	}
}

// Close during the drain, the second signal, releases the tasks at once.
func TestCloseDuringTheDrainReleasesAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.client()
	cfg := slots(1)
	cfg.DrainTimeout = time.Hour
	p := s.pool(cfg)
	started := make(chan struct{})
	p.HandleKind("long", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		close(started)
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, pool.ErrShutdown) {
			t.Errorf("the context ended because of %v", cause)
		}
		return nil, ctx.Err()
	})
	stop := s.serve(p)
	id := enqueue(t, c, pool.Spec{Kind: "long"})
	receive(t, started, patience, "the start")
	drained := make(chan error, 1)
	go func() { drained <- stop() }()
	eventually(t, patience, "only the drain is left", func() bool {
		enqueue(t, c, pool.Spec{Kind: "long", Delay: time.Hour})
		select {
		case <-drained:
			t.Fatal("the drain did not wait for the handler")
			return true
		default:
			return get(t, c, id).State == pool.Running
		}
	})
	begin := time.Now()
	if err := closePool(t, p); err != nil {
		t.Error(err)
	}
	if err := receive(t, drained, prompt, "the end of Run"); err != nil {
		t.Error(err)
	}
	t.Logf("released %v after the second signal", time.Since(begin))
	if task := get(t, c, id); task.State != pool.Waiting || task.Failures != 0 || task.Code != pool.CodeReleased {
		t.Errorf("the task is %+v", task)
	}
}

// Replicas join and leave all the time, and one always serves. A single task
// never waits, because signals of a leaving replica are sent to others. The bound is
// far below the slow poll.
func TestReplicasComeAndGoWithoutDelayingATask(t *testing.T) {
	rounds := volume(15, 60)
	s := newSite(t)
	c := s.client()
	var g gauge
	begin := func() (stop func() error) {
		p := s.pool(slots(2))
		p.HandleKind("step", func(context.Context, *task.Task) ([]byte, error) {
			g.enter()
			return nil, nil
		})
		return s.serve(p)
	}
	tasks := 0
	var took []time.Duration
	stop := begin()
	for range rounds {
		next := begin()
		s.awaitReplicas(1)
		left := make(chan struct{})
		go func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
			close(left)
		}()
		for leaving := true; leaving; tasks++ {
			select {
			case <-left:
				leaving = false
			default:
			}
			at := time.Now()
			id := enqueue(t, c, pool.Spec{Kind: "step", Retain: new(time.Hour)})
			eventually(t, prompt, "the end of a single task", func() bool { return get(t, c, id).State == pool.Succeeded })
			took = append(took, time.Since(at))
		}
		stop = next
	}
	t.Logf("%d tasks, from enqueue to end seen: p50 %v p99 %v max %v", tasks, percentile(took, 50), percentile(took, 99), percentile(took, 100))
	if _, _, starts := g.read(); starts != tasks {
		t.Errorf("%d starts of %d tasks", starts, tasks)
	}
	if st := stats(t, c); st.LeasesLost != 0 {
		t.Errorf("%d leases were lost", st.LeasesLost)
	}
}
