package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// The clock of Redis jumps an hour forward or back while tasks wait, run, are
// delayed or belong to a dead replica. No failure is counted. Every task ends
// about when it would have ended without the jump. The test needs real time.
func TestClockJumpFailsNothingAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t, redisserver.Clock(t))
			s := siteOn(t, server)
			c := s.client()
			const lease, died = time.Second, 4 * time.Second

			lost := []string{"lost-1", "lost-2"}
			enqueueAll(t, c, []pool.Spec{{Kind: "work", ID: lost[0], Retain: new(time.Hour)}, {Kind: "work", ID: lost[1], Retain: new(time.Hour)}})
			if got := s.seize("dead", pool.DefaultQueue, 2, died); len(got) != 2 {
				t.Fatalf("the dead replica has %d tasks", len(got))
			}
			cfg := slots(10)
			cfg.Lease = lease
			s.replicas(2, cfg, "work", func(ctx context.Context, tk *task.Task) ([]byte, error) {
				select {
				case <-time.After(20 * time.Millisecond):
					return nil, nil
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			})
			load := func(name string, delay time.Duration) (ids []string) {
				var specs []pool.Spec
				for i := range 500 {
					ids = append(ids, fmt.Sprint(name, "-", i))
					specs = append(specs, pool.Spec{Kind: "work", ID: ids[i], Delay: delay, MaxAttempts: 1, Retain: new(task.Forever)})
				}
				enqueueAll(t, c, specs)
				return ids
			}
			ids := append(lost, load("before", 0)...)
			if jump > 0 {
				ids = append(ids, load("delayed", 2*time.Second)...) // their time passes; after the jump back, it would pass an hour late
			}
			eventually(t, patience, "some have ended", func() bool { return stats(t, c).Ended[pool.Succeeded] > 100 })
			server.SetClock(t, jump)
			jumped := time.Now()
			ids = append(ids, load("after", 0)...)
			ids = append(ids, load("later", 2*time.Second)...)

			idle(t, c)
			// Without the jump the tasks of the dead replica would be the last
			// to end.
			if took := time.Since(jumped); took > died+lease+10*time.Second {
				t.Errorf("all tasks had ended only %v after the jump", took)
			}
			for _, id := range ids {
				if task := get(t, c, id); task.State != pool.Succeeded || task.Failures != 0 {
					t.Errorf("%s: %s, %s, %d failures, lost %d", id, task.State, task.Code, task.Failures, task.Lost)
				}
			}
			s.nothingRuns()
		})
	}
}
