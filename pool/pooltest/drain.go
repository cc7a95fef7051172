package pooltest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/worker"
)

// maxAttempts is how many attempts one Drain makes before it fails the test.
const maxAttempts = 10_000

// Drain runs tasks until none can start now, including those of triggers that are due, tasks
// that handlers enqueue meanwhile and those that follow from Config.OnFinish, which it calls for ended tasks.
// Tasks that are scheduled, paused, beyond a limit or in queues that the Config does
// not name stay where they are. Config.Admit is not called. Each queue has as many workers
// as in the Config; with one, tasks run in the order in which they start.
//
// Drain returns the attempts in the order of their ends. A failed attempt does not fail
// the test: see Outcomes.RequireOK. A panic in OnFinish does, and so do more than
// 10,000 attempts.
//
// Drain may be called more than once, but not while the pool runs.
func (p *Pool) Drain(t testing.TB) Outcomes {
	t.Helper()
	if p.started.Load() {
		t.Fatal("pooltest: drain: the pool is started and runs tasks by itself: wait for them with pool.Wait, or stop it first")
	}
	var all Outcomes
	for {
		if err := p.admit(t.Context()); err != nil {
			t.Fatalf("pooltest: drain: %v", err)
		}
		p.maintenance(t)
		if err := p.fireTriggers(t.Context()); err != nil {
			t.Fatalf("pooltest: drain: %v", err)
		}
		ran := p.runReplica(t, maxAttempts-len(all))
		all = append(all, ran...)
		if len(all) >= maxAttempts {
			t.Fatalf("pooltest: drain: no end after %d attempts; the last: %v", len(all), all[len(all)-1])
		}
		delivered := p.deliverFinishes(t)
		if len(ran) == 0 && delivered == 0 {
			return all
		}
	}
}

// admit makes tasks of the entries in the inbox and children of parents, and applies the
// reports from outside.
func (p *Pool) admit(ctx context.Context) error {
	own := worker.Config{Handlers: p.cfg.Handlers}.OwnQueues()
	inbox := func(ctx context.Context) (bool, error) { return p.store.AdmitInbox(ctx, own) }
	for _, admit := range []func(context.Context) (bool, error){p.store.AdmitReports, inbox} {
		for more := true; more; {
			var err error
			if more, err = admit(ctx); err != nil {
				return err
			}
		}
	}
	for next := time.Millisecond; next == time.Millisecond; {
		var err error
		if next, err = p.store.Spread(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fireTriggers fires the triggers that are due.
func (p *Pool) fireTriggers(ctx context.Context) error {
	const most = 100
	planner := trigger.NewPlanner(p.cfg.Calendars)
	var now, later []task.TriggerFiring
	for more := true; more; more = len(now) > 0 {
		got, err := p.store.FireTriggers(ctx, now, most)
		if err != nil {
			return err
		}
		now = now[:0]
		for _, due := range got.Due {
			f, err := planner.Fire(due, got.Now)
			switch {
			case due.At.After(got.Now):
				later = append(later, task.TriggerFiring{Read: due, Op: task.FireTrigger})
			case err != nil:
				return fmt.Errorf("trigger %s: %w", due.Name, err)
			default:
				now = append(now, f)
			}
		}
	}
	for back := range slices.Chunk(later, most) {
		if _, err := p.store.FireTriggers(ctx, back, 0); err != nil {
			return err
		}
	}
	return nil
}

// runReplica runs tasks with a replica that claims from every queue and ends when
// nothing runs any more. It may leave tasks for the next call, unless it returns no
// outcomes.
func (p *Pool) runReplica(t testing.TB, limit int) Outcomes {
	t.Helper()
	s := &drainStore{store: p.store, now: p.Now, maxAttempts: limit, tasks: map[task.Attempt]*task.Task{}, idle: make(chan struct{})}
	clone := p.clonePool(t, s, func(next pool.Handler) pool.Handler {
		return func(ctx context.Context, tk *task.Task) ([]byte, error) {
			result, err := next(ctx, tk)
			s.recorder.record(tk, err)
			return result, err
		}
	})
	if len(clone.Handlers()) == 0 {
		t.Fatal("pooltest: drain: the pool has no handlers")
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- clone.Run(ctx) }()
	var err error
	select {
	case <-s.idle:
		end()
		err = <-ended
	case err = <-ended:
	}
	if err != nil {
		t.Fatalf("pooltest: drain: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// readFinishes reads the next events for OnFinish.
func (p *Pool) readFinishes(ctx context.Context) ([]pool.Event, error) {
	events, _, err := p.store.ReadSubscription(ctx, pool.FinishGroup, "pooltest", 100, 24*time.Hour, 0)
	return events, err
}

// deliverFinishes calls OnFinish for the tasks that ended and returns their number.
func (p *Pool) deliverFinishes(t testing.TB) (delivered int) {
	t.Helper()
	if p.cfg.OnFinish == nil {
		return 0
	}
	for {
		events, err := p.readFinishes(t.Context())
		if err != nil {
			t.Fatalf("pooltest: events for OnFinish: %v", err)
		}
		if len(events) == 0 {
			return delivered
		}
		var cursors []string
		for _, e := range events {
			if e.State.Terminal() {
				delivered++
				if err := p.onFinish(t.Context(), e); err != nil {
					t.Errorf("pooltest: OnFinish of %s %s (%s): %v", e.Kind, e.ID, e.State, err)
				}
			}
			cursors = append(cursors, e.Cursor)
		}
		if err := p.store.AckEvents(t.Context(), pool.FinishGroup, slices.Compact(cursors)...); err != nil {
			t.Fatalf("pooltest: events for OnFinish: %v", err)
		}
	}
}

func (p *Pool) onFinish(ctx context.Context, e pool.Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	p.cfg.OnFinish(ctx, e)
	return nil
}
