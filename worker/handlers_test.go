package worker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// gauge counts running handlers.
type gauge struct{ now, most int }

func (g *gauge) handler(tr *testReplica, took time.Duration) task.Handler {
	return func(ctx context.Context, _ *task.Task) ([]byte, error) {
		tr.store.mu.Lock()
		g.now++
		g.most = max(g.most, g.now)
		tr.store.mu.Unlock()
		defer func() {
			tr.store.mu.Lock()
			g.now--
			tr.store.mu.Unlock()
		}()
		select {
		case <-time.After(took):
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func TestConcurrencyOfAHandlerHoldsWhateverQueueItsTasksComeFrom(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues:   map[string]task.QueueConfig{"default": {Workers: 8}, "other": {Workers: 8}},
			Handlers: map[string]task.HandlerConfig{"cut": {Concurrency: 3}},
		})
		var cut gauge
		tr.r.Handle("cut", cut.handler(tr, 200*time.Millisecond))
		tr.r.Handle("plain", (&gauge{}).handler(tr, 100*time.Millisecond))
		for i, q := range []string{"cut", "default", "other", "default", "cut"} {
			for j := range 20 {
				tr.store.put(task.Spec{ID: fmt.Sprintf("cut-%d-%d", i, j), Kind: "cut", Queue: q})
			}
		}
		tr.run()
		tr.advance(time.Second)
		if cut.now != 3 {
			t.Errorf("%d attempts run, want 3", cut.now)
		}
		// The slots of the other queues are free for other kinds.
		tr.store.putN(16, task.Spec{Kind: "plain"})
		tr.advance(300 * time.Millisecond)
		tr.wantState("plain-16", task.Succeeded, task.CodeOK)
		if got := tr.r.Counts().Slots; got != 19 {
			t.Errorf("it has %d slots", got)
		}

		tr.advance(time.Minute)
		for i := range 5 {
			for j := range 20 {
				tr.wantState(fmt.Sprintf("cut-%d-%d", i, j), task.Succeeded, task.CodeOK)
			}
		}
		if cut.most != 3 {
			t.Errorf("up to %d attempts ran at once, want 3", cut.most)
		}
		for _, q := range tr.r.queues.all {
			if n := q.free[0] + q.free[1]; n != tr.r.cfg.Queues[q.name].Workers {
				t.Errorf("%d slots of queue %s are free at the end", n, q.name)
			}
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A long line of tasks in a shared queue, whose handler is busy, is released once and comes
// back about as fast as the handler ends attempts.
func TestOverflowOfAHandlerDoesNotSpin(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues:   map[string]task.QueueConfig{"default": {Workers: 50}},
			Handlers: map[string]task.HandlerConfig{"cut": {Concurrency: 1}},
		})
		var cut gauge
		tr.r.Handle("cut", cut.handler(tr, time.Second))
		tr.store.putN(500, task.Spec{Kind: "cut", Queue: "default"})
		tr.run()
		tr.advance(time.Minute)
		released := 0
		for _, v := range tr.store.verdicts {
			if v.Op == task.Release {
				released++
			}
		}
		// Each of 500 tasks once; then those that find no slot.
		if released > 1500 {
			t.Errorf("%d releases in a minute", released)
		}
		ended := 0
		for _, v := range tr.store.verdicts {
			if v.Op == task.Succeed {
				ended++
			}
		}
		if ended < 40 {
			t.Errorf("%d attempts ended in a minute with one slot and attempts of a second", ended)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// The slots that a claim of the own queue has requested are not given to tasks of another
// queue that the same exchange claims.
func TestOneExchangeDoesNotExceedTheConcurrency(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues:   map[string]task.QueueConfig{"a": {Workers: 4}, "z": {Workers: 4}},
			Handlers: map[string]task.HandlerConfig{"cut": {Concurrency: 2}},
		})
		var cut gauge
		tr.r.Handle("cut", cut.handler(tr, time.Second))
		for _, q := range []string{"a", "cut", "z"} {
			for i := range 4 {
				tr.store.put(task.Spec{ID: fmt.Sprint(q, i), Kind: "cut", Queue: q})
			}
		}
		tr.run()
		tr.advance(time.Minute)
		if cut.most != 2 {
			t.Errorf("up to %d attempts ran at once, want 2", cut.most)
		}
		tr.wantState("z3", task.Succeeded, task.CodeOK)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestDisabledHandlerRunsNoTasks(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues: map[string]task.QueueConfig{"default": {Workers: 2}, "own": {Limit: 7}},
			Handlers: map[string]task.HandlerConfig{
				"own": {Concurrency: 3, Disabled: true}, "shared": {Disabled: true}, "gone": {Disabled: true},
			},
		})
		for _, kind := range []string{"own", "shared"} {
			tr.r.Handle(kind, func(context.Context, *task.Task) ([]byte, error) {
				t.Errorf("a task of kind %s runs", kind)
				return nil, nil
			})
		}
		tr.r.Handle("job", noop)
		tr.store.put(
			task.Spec{ID: "a", Kind: "own", Queue: "own"},
			task.Spec{ID: "b", Kind: "own"}, task.Spec{ID: "c", Kind: "shared"}, task.Spec{ID: "d", Kind: "gone"},
			task.Spec{ID: "e", Kind: "job"},
		)
		tr.store.push(task.Spec{ID: "pushed", Kind: "own"})
		tr.run()
		tr.advance(10 * time.Minute)
		tr.wantState("e", task.Succeeded, task.CodeOK)
		for _, id := range []string{"a", "pushed"} {
			if got := tr.store.task(id); got.Attempt != 0 || got.Queue != "own" {
				t.Errorf("task %s was claimed %d times from queue %s", id, got.Attempt, got.Queue)
			}
		}
		for _, id := range []string{"b", "c", "d"} {
			got := tr.store.task(id)
			if got.State.Terminal() || got.Failures > 0 || got.Lost > 0 {
				t.Errorf("task %s is %+v", id, got)
			}
			if n := len(tr.store.verdictsOf(id)); n < 3 || n > 40 {
				t.Errorf("task %s was released %d times in 10 minutes", id, n)
			}
			for _, v := range tr.store.verdictsOf(id) {
				if v.Op != task.Release || v.Code != task.CodeReleased || v.Delay < 500*time.Millisecond {
					t.Errorf("task %s was reported as %+v", id, v.Report)
				}
			}
		}
		join := tr.store.joins[0]
		if diff := cmp.Diff([]string{"gone", "own", "shared"}, join.Disabled); diff != "" {
			t.Error(diff)
		}
		if _, served := join.Queues["own"]; served || len(join.Kinds) != 4 {
			t.Errorf("it joins with the queues %v and the kinds %v", join.Queues, join.Kinds)
		}
		if tr.log.count("handlers are disabled here") != 1 {
			t.Errorf("the log is %q", tr.log.lines)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A release does not end a task whose deadline would pass before the delay has.
func TestReleaseOfADisabledHandlerKeepsTheDeadline(t *testing.T) {
	now := time.Now()
	for left, most := range map[time.Duration]time.Duration{time.Hour: time.Minute, 10 * time.Second: 5 * time.Second, -time.Second: 0} {
		tk := &task.Task{DeadlineAt: now.Add(left)}
		if d := withinDeadline(time.Minute, tk, now); d != most {
			t.Errorf("with %v left the delay is %v, want %v", left, d, most)
		}
	}
	if d := withinDeadline(time.Minute, &task.Task{}, now); d != time.Minute {
		t.Errorf("without a deadline the delay is %v", d)
	}
}

func TestDisabledDelayGrowsToItsBound(t *testing.T) {
	for attempt, most := range map[int64]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1 << 40: 30 * time.Second} {
		for range 20 {
			if d := disabledDelay(attempt); d > most || d < most*3/4 {
				t.Errorf("after claim %d the delay is %v, want at most %v", attempt, d, most)
			}
		}
	}
}

func TestConfigOfHandlersIsChecked(t *testing.T) {
	queues := map[string]task.QueueConfig{"default": {Workers: 1}}
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"negative": {Config{Queues: queues, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: -1}}}, "handlers.k.concurrency must be from 1 to 100000, not -1"},
		"too many": {Config{Queues: queues, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: MaxWorkers + 1}}}, "handlers.k.concurrency must be from 1"},
		"name":     {Config{Queues: queues, Handlers: map[string]task.HandlerConfig{"a b": {}}}, `handlers.a b must not contain " "`},
		"conflict": {Config{Queues: map[string]task.QueueConfig{"k": {Workers: 4}}, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 2}}},
			"queues.k.workers must be 2, as handlers.k.concurrency is, or left out, not 4"},
		"none":         {Config{Handlers: map[string]task.HandlerConfig{"k": {Disabled: true}}}, "queues must name at least one queue"},
		"all disabled": {Config{Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 1, Disabled: true}}}, "queues must name at least one queue"},
		"own only":     {Config{Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 1}}}, ""},
		"equal":        {Config{Queues: map[string]task.QueueConfig{"k": {Workers: 2, Limit: 9}}, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 2}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.cfg.Check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Check returns %v, want %q", err, tt.want)
			}
		})
	}
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: queues, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 1}, "d": {Concurrency: 1, Disabled: true}}})
		tr.r.Handle("job", noop)
		if err := tr.r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "handlers.k has a concurrency and no handler") || strings.Contains(err.Error(), "handlers.d") {
			t.Errorf("Run returns %v", err)
		}
	})
	cfg := Config{Queues: queues, Handlers: map[string]task.HandlerConfig{"k": {Concurrency: 3}}}
	cfg.withDefaults()
	if len(queues) != 1 {
		t.Errorf("the map of the caller was changed: %v", queues)
	}
}
