package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// No task starts after Pause has returned. Running tasks finish. Scheduled
// tasks become waiting but do not start. Resume wakes the replicas at once, and
// the tasks start in order.
func TestPausedQueueStartsNothing(t *testing.T) {
	for _, tt := range []struct{ name, queue string }{{"queue", pool.DefaultQueue}, {"pool", ""}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			c := s.client()
			started, proceed := make(chan string, 100), make(chan struct{})
			cfg := pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 1}}}
			p := s.pool(cfg)
			p.HandleKind("step", func(_ context.Context, tk *task.Task) ([]byte, error) {
				started <- tk.ID
				<-proceed
				return nil, nil
			})
			s.serve(p)

			running := enqueue(t, c, pool.Spec{Kind: "step"})
			receive(t, started, patience, "the first start")
			if err := c.Pause(t.Context(), tt.queue); err != nil {
				t.Fatal(err)
			}
			var want []string
			for i := range 5 {
				want = append(want, enqueue(t, c, pool.Spec{Kind: "step", ID: fmt.Sprint("waits-", 9-i)}))
			}
			want = append(want, enqueue(t, c, pool.Spec{Kind: "step", Delay: 20 * time.Millisecond}))
			send(t, proceed, struct{}{}, "the handler waits for its end")
			if task := await(t, c, running); task.State != pool.Succeeded {
				t.Errorf("the running task is %s", task.State)
			}
			eventually(t, patience, "the scheduled task is waiting", func() bool {
				st := stats(t, c)
				return st.Scheduled == 0 && st.Waiting == len(want)
			})
			if len(started) > 0 {
				t.Errorf("task %s started in a paused queue", <-started)
			}

			resumed := time.Now()
			if err := c.Resume(t.Context(), tt.queue); err != nil {
				t.Fatal(err)
			}
			for i, id := range want {
				got := receive(t, started, prompt, "the start after the resume")
				if i == 0 {
					t.Logf("first start %v after the resume", time.Since(resumed))
				}
				if got != id {
					t.Fatalf("start %d is of task %s, want %s", i, got, id)
				}
				send(t, proceed, struct{}{}, "the handler waits for its end")
			}
			idle(t, c)
		})
	}
}

// Under load no task is claimed after Pause has returned.
func TestNothingStartsAfterPauseHasReturned(t *testing.T) {
	s := newSite(t)
	c := s.client()
	s.replicas(3, slots(10), "step", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	specs := make([]pool.Spec, volume(2000, 5000))
	for i := range specs {
		specs[i].Kind = "step"
	}
	enqueueAll(t, c, specs)
	for range 10 {
		if err := c.Pause(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		cursor, err := s.store().LastEvent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "the running tasks have finished", func() bool { return stats(t, c).Running == 0 })
		events, err := s.store().ReadEvents(t.Context(), cursor, 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.State == pool.Running {
				t.Fatalf("task %s was claimed after the pause", e.ID)
			}
		}
		if err := c.Resume(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	idle(t, c)
}
