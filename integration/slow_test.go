package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// A task is marked while an attempt is past its soft timeout. Its next attempt is not, until it is
// past the soft timeout too.
func TestAttemptPastItsSoftTimeoutIsMarkedWhileItRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cfg := slots(1)
	cfg.Policies = map[string]pool.Policy{"step": {SoftTimeout: 10 * time.Millisecond, Backoff: pool.Backoff{Fixed: true, Base: time.Hour}}}
	p := s.pool(cfg)
	ends := make(chan error)
	p.HandleKind("step", func(context.Context, *task.Task) ([]byte, error) { return nil, <-ends })
	s.serve(p)
	c := s.client()
	id := enqueue(t, c, pool.Spec{Kind: "step"})
	slow := func() *task.Task {
		t.Helper()
		eventually(t, patience, "the mark of the slow attempt", func() bool { return !get(t, c, id).SlowAt.IsZero() })
		return get(t, c, id)
	}
	first := slow()
	if first.State != task.Running || first.SlowAt.Before(first.StartedAt) {
		t.Errorf("the task is %s, started at %v, slow since %v", first.State, first.StartedAt, first.SlowAt)
	}
	send(t, ends, errors.New("again"), "the handler waits for its end")
	eventually(t, patience, "the task waits for its retry", func() bool { return get(t, c, id).State == task.Scheduled })
	if got := get(t, c, id); !got.SlowAt.IsZero() {
		t.Errorf("the task that waits for its retry is slow since %v", got.SlowAt)
	}
	if n, err := c.RunNow(t.Context(), pool.Filter{IDs: []string{id}}); n != 1 || err != nil {
		t.Errorf("run now: %d, %v", n, err)
	}
	if second := slow(); second.Attempt != 2 || !second.SlowAt.After(first.SlowAt) {
		t.Errorf("attempt %d is slow since %v, the first was since %v", second.Attempt, second.SlowAt, first.SlowAt)
	}
	send(t, ends, nil, "the handler waits for its end")
	if got := await(t, c, id); got.State != task.Succeeded {
		t.Errorf("the task %s", got.State)
	}
}
