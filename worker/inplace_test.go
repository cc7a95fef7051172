package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// inPlace is a replica with one slot that may try the kind "job" twice more in place.
func inPlace(t *testing.T, cfg Config) *testReplica {
	t.Helper()
	cfg.Queues = map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}
	cfg.Policies = map[string]task.Policy{"job": {InPlace: 2}}
	return newTestReplica(t, cfg)
}

// starts records the attempts that started.
type starts struct {
	mu   sync.Mutex
	list []string
}

func (s *starts) add(t *task.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, fmt.Sprint(t.ID, " ", t.Attempt))
}

func (s *starts) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.list); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestFailedAttemptIsRetriedInItsSlot(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := inPlace(t, Config{})
		var s starts
		var before context.Context
		tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
			s.add(k)
			if k.ID == "y" {
				return nil, nil
			}
			if string(k.Payload) != "{}" || k.Headers["a"] != "b" || k.Failures != int(k.Attempt)-1 || k.Attempt > 1 && k.Error != "boom" {
				t.Errorf("attempt %d got %+v", k.Attempt, k)
			}
			if ctx.Err() != nil || before != nil && before.Err() == nil {
				t.Error("the context is not a new one")
			}
			before = ctx
			k.Payload[0], k.Headers["a"] = 'x', "c"
			k.Logf("log of %d", k.Attempt)
			if k.Attempt < 3 {
				return nil, errors.New("boom")
			}
			return []byte("done"), nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job", Payload: []byte("{}"), Headers: map[string]string{"a": "b"}}, task.Spec{ID: "y", Kind: "job"})
		tr.run()
		tr.advance(0)
		s.want(t, "x 1", "x 2", "x 3", "y 1")
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.wantState("y", task.Succeeded, task.CodeOK)
		for i, v := range tr.store.verdictsOf("x") {
			if want := i < 2; v.InPlace != want || v.Fence != tr.store.task("x").Fence || v.Log != fmt.Sprintf("log of %d\n", i+1) {
				t.Errorf("report %d: %+v", i, v.Report)
			}
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// The store starts no attempt in place while the task has a job.
func TestAttemptInPlaceHasNoJobOfTheOneBefore(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := inPlace(t, Config{})
		var jobs []string
		tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
			jobs = append(jobs, k.Job)
			if k.Attempt == 1 {
				return nil, errors.Join(errors.New("boom"), k.SaveJob(ctx, "", nil))
			}
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.store.mu.Lock()
		tr.store.tasks["x"].Job = "taken over"
		tr.store.mu.Unlock()
		tr.run()
		tr.advance(0)
		if diff := cmp.Diff([]string{"taken over", ""}, jobs); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestAttemptIsNotRetriedInPlace(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		h    task.Handler
		spec task.Spec
		want []string
	}{
		"more often than the policy says": {returns(nil, boom), task.Spec{MaxAttempts: 10}, []string{"x 1", "x 2", "x 3"}},
		"after its last attempt":          {returns(nil, boom), task.Spec{MaxAttempts: 2}, []string{"x 1", "x 2"}},
		"after a permanent error":         {returns(nil, task.Permanent(boom)), task.Spec{}, []string{"x 1"}},
		"after a bad payload":             {returns(nil, task.BadPayload(boom)), task.Spec{}, []string{"x 1"}},
		"if it asks for a delay":          {returns(nil, task.RetryAfter(boom, time.Hour)), task.Spec{}, []string{"x 1"}},
		"after a success":                 {noop, task.Spec{}, []string{"x 1"}},
		"after its timeout":               {untilCancelled, task.Spec{Timeout: time.Second}, []string{"x 1"}},
		"if it panics after its timeout": {func(ctx context.Context, _ *task.Task) ([]byte, error) { <-ctx.Done(); panic("late") },
			task.Spec{Timeout: time.Second}, []string{"x 1"}},
		"but after a panic": {func(context.Context, *task.Task) ([]byte, error) { panic("boom") }, task.Spec{}, []string{"x 1", "x 2", "x 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := inPlace(t, Config{})
				var s starts
				tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
					s.add(k)
					return c.h(ctx, k)
				})
				c.spec.ID, c.spec.Kind = "x", "job"
				tr.store.put(c.spec)
				tr.run()
				tr.advance(time.Minute)
				s.want(t, c.want...)
				if k := tr.store.task("x"); !k.State.Terminal() {
					t.Errorf("the task is %s", k.State)
				}
				if free := tr.r.queues.all[0].free; free[0]+free[1] != 1 {
					t.Errorf("free slots: %v", free)
				}
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What happens while the replica waits for the answer to the report of a failed attempt.
func TestAnswerDecidesWhetherTheNextAttemptRuns(t *testing.T) {
	for name, c := range map[string]struct {
		during            func(tr *testReplica) // after the report was sent
		exchange, renewal fault                 // meanwhile
		state             task.State
		want              []string
	}{
		"nothing":                  {func(*testReplica) {}, none, none, task.Failed, []string{"x 1", "x 2", "x 3"}},
		"the reply is lost":        {func(*testReplica) {}, lose, none, task.Failed, []string{"x 1", "x 2", "x 3"}},
		"a stop is requested":      {func(tr *testReplica) { tr.store.requestStop("x") }, fail, none, task.Stopped, []string{"x 1"}},
		"another replica takes it": {func(tr *testReplica) { tr.store.takeOver("x") }, fail, none, task.Running, []string{"x 1"}},
		// The store has counted the second attempt, but it is too late for it.
		"the timeout passes": {func(tr *testReplica) { tr.advance(90 * time.Second) }, lose, none, task.Failed, []string{"x 1", "x 3", "x 4", "x 5"}},
		"the lease ends":     {func(tr *testReplica) { tr.advance(40 * time.Second) }, lose, lose, task.Failed, []string{"x 1", "x 3", "x 4", "x 5"}},
		"the lease ends, and the report was not written": {func(tr *testReplica) { tr.advance(40 * time.Second) }, fail, fail, task.Failed,
			[]string{"x 1", "x 2", "x 3", "x 4"}},
		// The second attempt is cancelled at once.
		"the pool forgets the replica": {func(tr *testReplica) { tr.store.forgetReplicas(false) }, fail, none, task.Failed,
			[]string{"x 1", "x 2", "x 3", "x 4", "x 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := inPlace(t, Config{Lease: 30 * time.Second})
				var s starts
				tr.r.Handle("job", func(_ context.Context, k *task.Task) ([]byte, error) {
					if s.add(k); k.Attempt == 1 {
						time.Sleep(time.Second)
						tr.store.setFault(func(op string) fault {
							return map[string]fault{"exchange": c.exchange, "renew": c.renewal}[op]
						})
					}
					return nil, errors.New("boom")
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: time.Minute})
				tr.run()
				tr.advance(time.Second)
				c.during(tr)
				tr.store.setFault(func(string) fault { return none })
				tr.advance(10 * time.Minute)
				s.want(t, c.want...)
				if k := tr.store.task("x"); k.State != c.state {
					t.Errorf("the task is %s, want %s", k.State, c.state)
				}
				if free := tr.r.queues.all[0].free; free[0]+free[1] != 1 || tr.r.queues.taken != 0 || tr.r.held.running != 0 || len(tr.r.held.live)+len(tr.r.held.lost) != 0 {
					t.Errorf("free slots %v, %d taken, %d running, %d claims", free, tr.r.queues.taken, tr.r.held.running, len(tr.r.held.live))
				}
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDrainEndsRetriesInPlace(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := inPlace(t, Config{})
		var s starts
		tr.r.Handle("job", func(_ context.Context, k *task.Task) ([]byte, error) {
			s.add(k)
			tr.store.setFault(func(op string) fault {
				if op == "exchange" {
					return lag // takes effect while the replica drains
				}
				return none
			})
			time.AfterFunc(time.Millisecond, func() {
				tr.store.setFault(func(string) fault { return none })
				tr.r.Drain()
			})
			return nil, errors.New("boom")
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		<-tr.done
		s.want(t, "x 1")
		if k := tr.store.task("x"); tr.err != nil || k.State != task.Waiting || k.released != 1 || k.Failures != 1 {
			t.Errorf("%v, the task: %+v", tr.err, k)
		}
	})
}

func TestStopTimeoutAndLostLeaseReachTheNewestAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		during func(tr *testReplica)
		want   error
	}{
		"stop":       {func(tr *testReplica) { tr.store.requestStop("x") }, task.ErrStopped},
		"timeout":    {func(tr *testReplica) { tr.advance(time.Minute) }, task.ErrTimeout},
		"lost lease": {func(tr *testReplica) { tr.store.takeOver("x"); tr.advance(20 * time.Second) }, task.ErrLeaseLost},
		"shutdown":   {func(tr *testReplica) { tr.r.Close() }, task.ErrShutdown},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := inPlace(t, Config{Lease: 30 * time.Second})
				var cause error
				var old *task.Task
				tr.r.Handle("job", func(ctx context.Context, k *task.Task) ([]byte, error) {
					if k.Attempt == 1 {
						old = k
						return nil, errors.New("boom")
					}
					if err := errors.Join(old.SetProgress([]byte("1")), k.SetProgress([]byte("2"))); err != nil {
						t.Error(err)
					}
					if _, err := untilCancelled(ctx, k); cause == nil {
						cause = err
					}
					return nil, nil
				})
				tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: 50 * time.Second})
				tr.run()
				tr.advance(2 * time.Second)
				if p := tr.store.task("x").Progress; string(p) != "2" {
					t.Errorf("progress %q, want that of the second attempt", p)
				}
				if i := slices.IndexFunc(tr.store.renewals, func(r task.Renewal) bool { return len(r.Updates) > 0 }); i < 0 || tr.store.renewals[i].Updates[0].Attempt != 2 {
					t.Error("no update names its attempt")
				}
				c.during(tr)
				tr.advance(time.Second)
				if !errors.Is(cause, c.want) {
					t.Errorf("cancelled with %v, want %v", cause, c.want)
				}
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
