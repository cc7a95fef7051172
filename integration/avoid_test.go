package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Of two replicas with free slots, the one on which an attempt failed leaves the retry to the
// other one. A replica without another one runs the retry itself.
func TestRetryPrefersAnotherReplica(t *testing.T) {
	t.Parallel()
	const tasks = 10
	s := newSite(t)
	c := s.client()
	var mu sync.Mutex
	type start struct {
		replica string
		at      time.Time
	}
	ran := map[string][]start{}
	serve := func() func() error {
		cfg := slots(tasks)
		cfg.Policies = map[string]pool.Policy{"k": {AvoidFailed: true, Backoff: pool.Backoff{Fixed: true, Base: time.Millisecond}}}
		p := s.pool(cfg)
		p.HandleKind("k", func(_ context.Context, tk *task.Task) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			ran[tk.ID] = append(ran[tk.ID], start{tk.Replica, time.Now()})
			if tk.Failures == 0 {
				return nil, errors.New("this machine is broken")
			}
			return nil, nil
		})
		return s.serve(p)
	}
	// run returns how many retries ran on the other replica, and how many on the same one within the second
	// for which they prefer the other.
	run := func(name string) (moved, early int) {
		specs := make([]pool.Spec, tasks)
		for i := range specs {
			specs[i] = pool.Spec{ID: fmt.Sprint(name, i), Kind: "k", Retain: new(time.Hour)}
		}
		enqueueAll(t, c, specs)
		for _, spec := range specs {
			if got := await(t, c, spec.ID); got.State != pool.Succeeded || got.Failures != 1 {
				t.Errorf("%+v", got)
			}
			mu.Lock()
			switch r := ran[spec.ID]; {
			case len(r) != 2:
				t.Errorf("%s ran on %v", spec.ID, r)
			case r[0].replica != r[1].replica:
				moved++
			case r[1].at.Sub(r[0].at) < 990*time.Millisecond: // five delays of 200 ms, each by a clock in milliseconds
				early++
			}
			mu.Unlock()
		}
		return moved, early
	}
	serve()
	run("alone")
	serve()
	eventually(t, patience, "both replicas have joined", func() bool {
		live, err := c.Replicas(t.Context())
		return err == nil && len(live) == 2
	})
	if moved, early := run("both"); moved == 0 || early > 0 {
		t.Errorf("of %d retries %d ran on the other replica, and %d on the same one within a second", tasks, moved, early)
	}
}
