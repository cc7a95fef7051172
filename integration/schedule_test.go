package integration

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// start is the entry of a handler, by the wall clock. The redis-server on the
// same machine has the same clock.
type start struct {
	id string
	at time.Time
}

// None of many scheduled tasks starts early; lateness is logged. The tasks are
// spread over one to three seconds, so the test needs real time.
func TestScheduledTasksNeverStartEarly(t *testing.T) {
	tasks, spread := volume(1000, 10_000), volume(time.Second, 3*time.Second)
	s := newSite(t)
	c := s.client()
	starts := make(chan start, tasks)
	s.replicas(2, slots(50), "tick", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- start{tk.ID, time.Now()}
		return nil, nil
	})
	due := make(map[string]time.Time, tasks)
	specs := make([]pool.Spec, tasks)
	begin := time.Now().Add(time.Second)
	for i := range specs {
		at := begin.Add(rand.N(spread))
		specs[i] = pool.Spec{ID: strconv.Itoa(i), Kind: "tick", RunAt: at}
		due[specs[i].ID] = at
	}
	enqueueAll(t, c, specs)
	late := make([]time.Duration, 0, tasks)
	for range specs {
		st := receive(t, starts, patience, "every start")
		d := st.at.Sub(due[st.id])
		if d < 0 {
			t.Fatalf("task %s started %v early", st.id, -d)
		}
		late = append(late, d)
	}
	idle(t, c)
	t.Logf("lateness p50 %v p99 %v max %v", percentile(late, 50), percentile(late, 99), percentile(late, 100))
	if p := percentile(late, 99); p > prompt {
		t.Errorf("lateness p99 is %v", p)
	}
}

// A scheduled task that is the only traffic starts on time, also if the
// replicas wait for a later one when it is added.
func TestSoonerTaskAddedLaterStartsFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	starts := make(chan start, 2)
	s.replicas(2, slots(2), "tick", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- start{tk.ID, time.Now()}
		return nil, nil
	})
	soon := func(what string) {
		t.Helper()
		at := time.Now().Add(300 * time.Millisecond)
		id := enqueue(t, c, pool.Spec{Kind: "tick", RunAt: at})
		got := receive(t, starts, patience, "the start of "+what)
		if got.id != id {
			t.Fatalf("task %s started, want %s", got.id, what)
		}
		late := got.at.Sub(at)
		t.Logf("%s: lateness %v", what, late)
		if late < 0 || late > prompt {
			t.Errorf("%s started %v late", what, late)
		}
	}
	soon("the only task")
	later := enqueue(t, c, pool.Spec{Kind: "tick", Delay: time.Hour})
	soon("the sooner task")
	if n, err := c.RunNow(t.Context(), pool.Filter{IDs: []string{later}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got := receive(t, starts, patience, "the start of the later task"); got.id != later {
		t.Errorf("task %s started, want the later one", got.id)
	}
	idle(t, c)
}

// The replica that learned when the next task is scheduled may have no free
// slot at that time. Another replica with a free slot must start it on time.
func TestScheduledTaskStartsWhereverASlotIsFree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	starts := make(chan start, 20)
	release := make(chan struct{})
	h := func(ctx context.Context, tk *task.Task) ([]byte, error) {
		starts <- start{tk.ID, time.Now()}
		if tk.Kind == "hold" {
			<-release
		}
		return nil, nil
	}
	for range 2 {
		p := s.pool(slots(1))
		p.HandleKind("tick", h)
		p.HandleKind("hold", h)
		s.serve(p)
	}
	s.awaitReplicas(2)
	// Both tasks of a round cause one signal. The replica that takes it
	// learns of the scheduled task and fills its slot with the other.
	for round := 0; round < 3; round++ {
		at := time.Now().Add(400 * time.Millisecond)
		made := enqueueAll(t, c, []pool.Spec{{Kind: "tick", RunAt: at}, {Kind: "hold"}})
		tick, hold := made[0].ID, made[1].ID
		first, got := receive(t, starts, patience, "a start"), receive(t, starts, patience, "the other start")
		if first.id == tick && got.id == hold && !first.at.Before(at) {
			// A busy machine started the long task only when the other one was
			// due. The round is repeated.
			round--
			send(t, release, struct{}{}, "the long task waits for its end")
			idle(t, c)
			continue
		}
		if first.id != hold || got.id != tick {
			t.Fatalf("tasks %s and %s started, want the long one and then the scheduled one", first.id, got.id)
		}
		late := got.at.Sub(at)
		t.Logf("round %d: lateness %v", round, late)
		if late > prompt {
			t.Errorf("round %d: the task started %v late although a slot was free", round, late)
		}
		send(t, release, struct{}{}, "the long task waits for its end")
		idle(t, c)
	}
}

// Retries are scheduled tasks, too.
func TestRetryStartsInTimeOnAnIdlePool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	starts := make(chan start, 2)
	s.replicas(2, slots(2), "tick", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- start{tk.ID, time.Now()}
		if tk.Failures == 0 {
			return nil, pool.RetryAfter(errors.New("once more"), 300*time.Millisecond)
		}
		return nil, nil
	})
	enqueue(t, c, pool.Spec{Kind: "tick"})
	first := receive(t, starts, patience, "the first start")
	second := receive(t, starts, patience, "the retry")
	gap := second.at.Sub(first.at)
	t.Logf("the retry started %v after the first attempt", gap)
	if gap < 299*time.Millisecond || gap > 300*time.Millisecond+prompt { // Redis counts in milliseconds
		t.Errorf("the retry started %v after the first attempt, want 300ms", gap)
	}
	idle(t, c)
}

// The replica that learned when the next task is scheduled may leave before
// that time. Another replica must then learn of it.
func TestScheduledTaskOutlivesTheReplicaThatKnowsOfIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	// The ghost serves the same queue and kind as the replica. It has been idle
	// for longer, so it gets the signal.
	ghost := s.store()
	if _, err := ghost.Join(t.Context(), task.Registration{
		Replica: "ghost", Lease: time.Hour, Queues: map[string]task.QueueConfig{pool.DefaultQueue: {Workers: 1}},
		Kinds: map[string]task.Policy{"tick": {}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ghost.Exchange(t.Context(), task.Exchange{Replica: "ghost", Sequence: 1, Call: 1, Lease: time.Hour, Idle: true}); err != nil {
		t.Fatal(err)
	}
	starts := make(chan start, 1)
	s.replicas(1, slots(1), "tick", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- start{tk.ID, time.Now()}
		return nil, nil
	})
	s.awaitIdle(2)
	at := time.Now().Add(400 * time.Millisecond)
	enqueue(t, c, pool.Spec{Kind: "tick", RunAt: at})
	if signal, err := ghost.Listen(t.Context(), "ghost", patience); err != nil || !signal.Check {
		t.Fatalf("the signal to the ghost replica is %+v, %v", signal, err)
	}
	if err := ghost.Leave(t.Context(), "ghost"); err != nil {
		t.Fatal(err)
	}
	late := receive(t, starts, patience, "the start").at.Sub(at)
	t.Logf("lateness %v", late)
	if late > prompt {
		t.Errorf("the task started %v late", late)
	}
}
