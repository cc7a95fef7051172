package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// runnerStore is a fakeStore for a running replica: it returns its tasks once and
// records the reports.
type runnerStore struct {
	*fakeStore
	signals chan struct{}
	joinErr error
	joined  task.Registration
	pending []*task.Task
	reports []task.Report
}

func newRunnerStore(pending ...*task.Task) *runnerStore {
	for i, t := range pending {
		t.Attempt, t.Fence, t.State = 1, 1, task.Running
		if t.ID == "" {
			t.ID = fmt.Sprint("task", i)
		}
	}
	return &runnerStore{fakeStore: newFakeStore(), signals: make(chan struct{}, 1), pending: pending}
}

func (s *runnerStore) Join(_ context.Context, r task.Registration) ([]string, error) {
	s.joined = r
	return nil, s.joinErr
}

func (s *runnerStore) Exchange(_ context.Context, x task.Exchange) (task.Exchanged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, x.Reports...)
	answer := task.Exchanged{Verdicts: slices.Repeat([]task.Verdict{task.Accepted}, len(x.Reports)), Now: time.Now()}
	for _, c := range x.Claims {
		n := min(c.N, len(s.pending))
		if n > 0 {
			answer.Claimed = append(answer.Claimed, task.Claimed{Queue: c.Queue, Fence: 1, Started: time.Now(), Left: time.Minute, Tasks: s.pending[:n:n]})
		}
		s.pending = s.pending[n:]
		answer.Short = append(answer.Short, n < c.N)
	}
	if x.Idle && len(s.pending) > 0 {
		answer.Ready = []string{DefaultQueue}
	}
	return answer, nil
}

func (s *runnerStore) Renew(_ context.Context, r task.Renewal) (task.Renewed, error) {
	return task.Renewed{Verdicts: slices.Repeat([]task.Verdict{task.Kept}, len(r.Held))}, nil
}

func (s *runnerStore) Listen(ctx context.Context, _ string, wait time.Duration) (task.Signal, error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-s.signals:
		return task.Signal{Check: true}, nil
	case <-t.C:
		return task.Signal{}, nil
	case <-ctx.Done():
		return task.Signal{}, ctx.Err()
	}
}

func (s *runnerStore) Wake(context.Context, string) error {
	select {
	case s.signals <- struct{}{}:
	default:
	}
	return nil
}

func (s *runnerStore) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *runnerStore) AwaitReports(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *runnerStore) AwaitTriggerEntries(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *runnerStore) AdmitInbox(context.Context, map[string]string) (bool, error) { return false, nil }
func (s *runnerStore) Leave(context.Context, string) error                         { return nil }
func (s *runnerStore) FireTriggers(context.Context, []task.TriggerFiring, int) (task.FiredTriggers, error) {
	return task.FiredTriggers{}, nil
}

func (s *runnerStore) Spread(context.Context) (time.Duration, error) { return 0, nil }

func (s *runnerStore) Maintain(context.Context, string) (task.Maintenance, error) {
	return task.Maintenance{}, nil
}

var oneQueue = map[string]Queue{DefaultQueue: {Workers: 4}}

// reportsOf runs tasks with the handlers that set adds and returns the reports by task
// id.
func reportsOf(t *testing.T, cfg Config, set func(*Pool), tasks ...*task.Task) map[string]task.Report {
	t.Helper()
	s := newRunnerStore(tasks...)
	cfg.Queues = oneQueue
	p := newTestPool(t, s, cfg)
	set(p)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	synctest.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	got := map[string]task.Report{}
	for _, r := range s.reports {
		got[r.ID] = r
	}
	return got
}

func TestEveryFieldOfTheConfigIsCheckedAtOnce(t *testing.T) {
	bad := Config{
		Queues:     map[string]Queue{"a b": {}, "q": {Workers: -1}},
		Limit:      -2,
		Groups:     Groups{DefaultLimit: -2, Limits: map[string]int{"g": -2}},
		Policies:   map[string]Policy{"k": {MaxAttempts: -1}},
		Lease:      time.Millisecond,
		Redeliver:  time.Millisecond,
		Middleware: []Middleware{nil},
	}
	_, err := New(nil, bad)
	wantFields(t, err, "store", "queues.a b", "queues.q.workers", "policies.k.max_attempts", "limit",
		"groups.default_limit", "groups.limits.g", "lease", "middleware", "redeliver")

	_, err = New(newFakeStore(), Config{OnFinish: func(context.Context, Event) {}, Lease: -1, Limit: -2})
	wantFields(t, err, "limit", "lease", "on_finish")
}

func TestEnqueueOnlyPoolKeepsNoGoroutine(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := newTestPool(t, newFakeStore(), Config{})
		if n := goroutines(); n != 0 {
			t.Errorf("New started %d goroutines", n)
		}
		if _, err := p.Enqueue(t.Context(), email{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := goroutines(); n != 0 {
			t.Errorf("Enqueue left %d goroutines", n)
		}
	})
}

func TestPoolWithoutQueuesDoesNotRun(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	if err := p.Run(t.Context()); !errors.Is(err, ErrNoQueues) {
		t.Errorf("Run: got %v, want ErrNoQueues", err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}

func TestRunNeedsHandlersAndRunsOnce(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := newTestPool(t, newRunnerStore(), Config{Queues: oneQueue})
		if err := p.Run(t.Context()); err == nil {
			t.Error("ran without handlers")
		}
		Handle(p, func(context.Context, *Task[email]) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Run(ctx); err != nil {
			t.Errorf("first Run: %v", err)
		}
		if err := p.Run(t.Context()); err == nil {
			t.Error("ran twice")
		}
	})
}

func TestRunPublishesTheConfig(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newRunnerStore()
		p := newTestPool(t, s, Config{
			Queues: map[string]Queue{"q": {Workers: 1, Limit: 2, MaxLen: 3}}, Limit: 9,
			Groups:   Groups{DefaultLimit: 2, Limits: map[string]int{"acme": 5}},
			Policies: map[string]Policy{"email.send": {MaxAttempts: 7}},
			Lease:    time.Minute, MaxEvents: 10, EventAge: time.Hour, ArchiveWait: 2 * time.Hour, Version: "v1",
		})
		Handle(p, func(context.Context, *Task[email]) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		got := s.joined
		got.Replica, got.Host, got.PID = "", "", 0
		want := task.Registration{
			Version: "v1", Lease: time.Minute, DrainTimeout: worker.DefaultDrainTimeout, StopGrace: worker.DefaultStopGrace, Queues: map[string]task.QueueConfig{"q": {Workers: 1, Limit: 2, MaxLen: 3}},
			Kinds:    map[string]task.Policy{"email.send": {MaxAttempts: 7}},
			Limit:    9,
			Groups:   task.Groups{DefaultLimit: 2, Limits: map[string]int{"acme": 5}},
			MaxEvent: 10, EventAge: time.Hour, ArchiveWait: 2 * time.Hour,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCloseEndsRunAtOnce(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var cause error
		started := make(chan struct{})
		s := newRunnerStore(&task.Task{Spec: Spec{Kind: "email.send"}})
		p := newTestPool(t, s, Config{Queues: oneQueue, OnFinish: func(context.Context, Event) {}})
		Handle(p, func(ctx context.Context, _ *Task[email]) error {
			close(started)
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		})
		ended := make(chan error, 1)
		go func() { ended <- p.Run(t.Context()) }()
		<-started
		if err := errors.Join(p.Close(), p.Close(), <-ended); err != nil {
			t.Error(err)
		}
		if !errors.Is(cause, ErrShutdown) {
			t.Errorf("the handler was cancelled with %v", cause)
		}
		if len(s.reports) != 1 || s.reports[0].Op != task.Release {
			t.Errorf("reports %+v, want one release", s.reports)
		}
	})
}

func TestOnFinishGetsEveryEndOnceAndNothingElse(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newRunnerStore()
		var got []string
		p := newTestPool(t, s, Config{Queues: oneQueue, OnFinish: func(_ context.Context, e Event) {
			got = append(got, e.ID)
			if len(got) == 2 {
				panic("again with b")
			}
		}})
		Handle(p, func(context.Context, *Task[email]) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		s.emit(Event{ID: "a", State: Waiting})
		s.emit(Event{ID: "a", State: Succeeded})
		s.emit(Event{ID: "b", State: Failed})
		s.emit(Event{ID: "c", State: Stopped})
		advance(2 * defaultRedeliver)
		if diff := cmp.Diff([]string{"a", "b", "c", "b"}, got); diff != "" {
			t.Error(diff)
		}
		if n := s.pendingIn(FinishGroup); n != 0 {
			t.Errorf("%d events not acknowledged", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunDoesNotWaitForAnOnFinishThatIgnoresItsContext(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newRunnerStore()
		release := make(chan struct{})
		p := newTestPool(t, s, Config{Queues: oneQueue, OnFinish: func(context.Context, Event) { <-release }})
		Handle(p, func(context.Context, *Task[email]) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		s.emit(Event{ID: "a", State: Succeeded})
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		close(release)
	})
}

func TestRunEndsIfOnFinishCannotReadEvents(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newRunnerStore()
		p := newTestPool(t, s, Config{Queues: oneQueue, OnFinish: func(context.Context, Event) {}})
		Handle(p, func(context.Context, *Task[email]) error { return nil })
		reads := 0
		s.readErr = func() error {
			if reads++; reads > 1 {
				return task.ErrSchema
			}
			return nil
		}
		if err := p.Run(t.Context()); !errors.Is(err, ErrSchema) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunFailsAtTheStartIfOnFinishCannotReadEvents(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		run := func(ctx context.Context, then func(*Pool)) error {
			s := newRunnerStore()
			p := newTestPool(t, silentStore{s}, Config{Queues: oneQueue, OnFinish: func(context.Context, Event) {}})
			p.HandleKind("k", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
			if then != nil {
				time.AfterFunc(time.Second, func() { then(p) })
			}
			began := time.Now()
			err := p.Run(ctx)
			if d := time.Since(began); d > openTimeout {
				t.Errorf("Run returned after %v", d)
			}
			if s.joined.Replica != "" {
				t.Error("the replica has joined")
			}
			return err
		}
		if err := run(t.Context(), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent store: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := run(ctx, func(*Pool) { cancel() }); err != nil {
			t.Errorf("the context ends: %v", err)
		}
		if err := run(t.Context(), func(p *Pool) { _ = p.Close() }); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// silentStore does not answer ReadSubscription.
type silentStore struct{ *runnerStore }

func (silentStore) ReadSubscription(ctx context.Context, _, _ string, _ int, _, _ time.Duration) ([]task.Event, bool, error) {
	<-ctx.Done()
	return nil, false, ctx.Err()
}
