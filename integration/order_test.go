package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// One slot and many tasks of one millisecond. Their ids sort differently from
// their order, or they have the highest priority and a sequence number near
// 2^45.
func TestEqualPrioritiesStartFirstInFirstOut(t *testing.T) {
	tasks := volume(300, 1000)
	for _, tt := range []struct {
		name     string
		priority int8
		sequence int64
	}{
		{"ids that sort otherwise", 0, 0},
		{"the highest priority near the last sequence", 127, 1<<45 - int64(tasks) - 10},
	} {
		t.Run(strconv.Itoa(int(tt.priority)), func(t *testing.T) {
			s := newSite(t)
			c := s.client()
			if tt.sequence > 0 {
				if err := s.rdb.HSet(t.Context(), s.key("meta"), "seq", tt.sequence).Err(); err != nil {
					t.Fatal(err)
				}
			}
			started := make(chan string, tasks)
			s.replicas(1, slots(1), "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
				started <- tk.ID
				time.Sleep(time.Millisecond) // the work
				return nil, nil
			})
			specs := make([]pool.Spec, tasks)
			for i := range specs {
				specs[i] = pool.Spec{Kind: "step", ID: fmt.Sprintf("%04d", tasks-i), Priority: tt.priority}
			}
			enqueueAll(t, c, specs)
			for i := range specs {
				if id := receive(t, started, patience, "the next start"); id != specs[i].ID {
					t.Fatalf("%s: start %d is of task %s, want %s", tt.name, i, id, specs[i].ID)
				}
			}
			idle(t, c)
		})
	}
}

// line is a model of a queue: it names the task that must start next.
type line struct {
	ids      []string
	priority map[string]int8
	place    map[string]int
}

func (l *line) add(id string, priority int8) {
	if _, known := l.place[id]; !known {
		l.place[id], l.priority[id] = len(l.place), priority
	}
	l.ids = append(l.ids, id)
}

func (l *line) next() string {
	best := 0
	for i, id := range l.ids {
		at := l.ids[best]
		if p, q := l.priority[id], l.priority[at]; p > q || p == q && l.place[id] < l.place[at] {
			best = i
		}
	}
	id := l.ids[best]
	l.ids = append(l.ids[:best], l.ids[best+1:]...)
	return id
}

// Every start has the best priority of the waiting tasks. A retried task
// keeps its priority and its position.
func TestEveryStartHasTheBestPlaceInLine(t *testing.T) {
	starts := volume(200, 600)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	s := newSite(t)
	c := s.client()
	started, verdict := make(chan string), make(chan error)
	s.replicas(1, slots(1), "step", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		select {
		case err := <-verdict:
			return nil, err
		case <-ctx.Done(): // the test has failed
			return nil, ctx.Err()
		}
	})

	l := &line{priority: map[string]int8{}, place: map[string]int{}}
	add := func() {
		p := []int8{-128, -1, 0, 0, 0, 1, 50, 126, 127}[rnd.IntN(9)]
		l.add(enqueue(t, c, pool.Spec{Kind: "step", Priority: p, MaxAttempts: 1000}), p)
	}
	// The first task starts before any other is enqueued.
	add()
	for i := range starts {
		id := receive(t, started, patience, "the next start")
		if want := l.next(); id != want {
			for id, l := range s.history() {
				t.Log(id, l)
			}
			t.Fatalf("start %d is of task %s with priority %d, want %s with %d", i, id, l.priority[id], want, l.priority[want])
		}
		for range rnd.IntN(3) {
			add()
		}
		var err error
		if rnd.IntN(3) == 0 {
			err = pool.RetryAfter(errors.New("again"), 0)
			l.add(id, l.priority[id])
		}
		if len(l.ids) == 0 {
			add()
		}
		send(t, verdict, err, "the handler waits for its outcome")
	}
	id := receive(t, started, patience, "the last start")
	if want := l.next(); id != want {
		t.Errorf("the last start is of task %s, want %s", id, want)
	}
	if _, err := c.Stop(t.Context(), pool.Filter{States: []pool.State{pool.Waiting}}, "the test is over"); err != nil {
		t.Error(err)
	}
	send(t, verdict, nil, "the handler waits for its outcome")
	idle(t, c)
}

// A new task of higher priority is the very next start, whatever waits.
func TestUrgentNewcomerIsTheVeryNextStart(t *testing.T) {
	s := newSite(t)
	c := s.client()
	started, proceed := make(chan string, 1), make(chan struct{})
	s.replicas(2, slots(2), "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		<-proceed
		return nil, nil
	})
	enqueueAll(t, c, make1000("step"))
	for range 4 {
		receive(t, started, patience, "the first starts")
	}
	for i := range 20 {
		urgent := enqueue(t, c, pool.Spec{Kind: "step", Priority: 1})
		send(t, proceed, struct{}{}, "a handler waits for its end")
		if id := receive(t, started, patience, "the next start"); id != urgent {
			t.Fatalf("round %d: task %s started before the urgent one", i, id)
		}
	}
	if _, err := c.Stop(t.Context(), pool.Filter{States: []pool.State{pool.Waiting}}, "the test is over"); err != nil {
		t.Error(err)
	}
	close(proceed)
	idle(t, c)
}

func make1000(kind string) []pool.Spec {
	specs := make([]pool.Spec, 1000)
	for i := range specs {
		specs[i].Kind = kind
	}
	return specs
}

// A task whose replica was lost starts before later arrivals of its priority,
// and after tasks of a higher priority.
func TestLostTaskKeepsItsPlaceInLine(t *testing.T) {
	s := newSite(t)
	c := s.client()
	lost := enqueue(t, c, pool.Spec{Kind: "step", Priority: 5})
	if got := s.seize("ghost", pool.DefaultQueue, 1, 50*time.Millisecond); len(got) != 1 {
		t.Fatalf("the dead replica claimed %d tasks", len(got))
	}
	later := enqueue(t, c, pool.Spec{Kind: "step", Priority: 5})
	better := enqueue(t, c, pool.Spec{Kind: "step", Priority: 6})

	st := s.store()
	eventually(t, patience, "the lease is reaped", func() bool {
		if _, err := st.Maintain(context.Background(), "reaper"); err != nil {
			t.Fatal(err)
		}
		return get(t, c, lost).Lost == 1
	})
	started := make(chan string, 3)
	s.replicas(1, slots(1), "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		return nil, nil
	})
	for i, want := range []string{better, lost, later} {
		if id := receive(t, started, patience, "the next start"); id != want {
			t.Errorf("start %d is of task %s, want %s", i, id, want)
		}
	}
	idle(t, c)
}
