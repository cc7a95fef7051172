package worker

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestDrainLetsHandlersFinishAndClaimsNoMore(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(20 * time.Second)
			return nil, nil
		})
		tr.store.putN(10, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		begin := time.Now()
		tr.cancel()
		synctest.Wait()
		from := len(tr.store.exchanges) - 1
		tr.store.mu.Lock()
		last := tr.store.renewals[len(tr.store.renewals)-1]
		tr.store.mu.Unlock()
		if !last.Draining || !tr.store.exchanges[from].Closed {
			t.Errorf("the pool does not know of the drain at once: %+v", last)
		}
		tr.advance(0)
		<-tr.done
		if tr.err != nil || time.Since(begin) != 19*time.Second {
			t.Errorf("Run returned %v after %v", tr.err, time.Since(begin))
		}
		for _, x := range tr.store.exchanges[from:] {
			if len(x.Claims) > 0 || !x.Closed {
				t.Errorf("it claimed while draining: %+v", x)
			}
		}
		for i, id := range []string{"job-1", "job-2", "job-3", "job-4", "job-5", "job-6"} {
			if i < 4 {
				tr.wantState(id, task.Succeeded, task.CodeOK)
			} else {
				tr.wantState(id, task.Waiting, "")
			}
		}
		if len(tr.store.left) != 1 {
			t.Errorf("left: %v", tr.store.left)
		}
	})
}

func TestDrainReleasesTasksAfterItsTimeoutWithoutUsingAnAttempt(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: 5 * time.Second})
		var cause error
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, cause = untilCancelled(ctx, tk)
			return nil, cause
		})
		tr.r.Handle("finisher", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			untilCancelled(ctx, tk)
			time.Sleep(time.Second)
			return []byte("done after all"), nil
		})
		h, free := ignoresContext()
		tr.r.Handle("stuck", h)
		tr.store.put(task.Spec{ID: "job", Kind: "job"}, task.Spec{ID: "finisher", Kind: "finisher"}, task.Spec{ID: "stuck", Kind: "stuck"})
		tr.run()
		begin := time.Now()
		err := tr.shutDown()
		if took := time.Since(begin); err != nil || took != 15*time.Second {
			t.Errorf("Run returned %v after %v, want nil after drain timeout and grace", err, took)
		}
		if cause != task.ErrShutdown {
			t.Errorf("cause is %v", cause)
		}
		tr.wantState("job", task.Waiting, task.CodeReleased)
		tr.wantState("stuck", task.Waiting, task.CodeReleased)
		tr.wantState("finisher", task.Succeeded, task.CodeOK)
		if reports := tr.store.verdictsOf("job"); len(reports) != 1 || reports[0].at.Sub(begin) != 5*time.Second {
			t.Errorf("the handler that returned at once was reported %+v", reports)
		}
		free()
	})
}

func TestCloseReleasesTasksAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Hour})
		tr.r.Handle("job", untilCancelled)
		tr.store.putN(4, task.Spec{Kind: "job"})
		tr.run()
		begin := time.Now()
		if err := tr.r.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
		for _, id := range []string{"job-1", "job-4"} {
			tr.wantState(id, task.Waiting, task.CodeReleased)
		}
		<-tr.done
		if tr.err != nil {
			t.Error(tr.err)
		}
	})
}

func TestCloseEndsADrainEarly(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Hour})
		tr.r.Handle("job", untilCancelled)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.cancel()
		tr.advance(time.Minute)
		tr.wantState("x", task.Running, "")
		tr.r.Close()
		tr.wantState("x", task.Waiting, task.CodeReleased)
		<-tr.done
	})
}

func TestCloseMayBeCalledAtAnyTimeAndTwice(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		for range 2 {
			if err := tr.r.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := tr.r.Run(t.Context()); err != nil {
			t.Errorf("Run after Close returned %v", err)
		}
		if len(tr.store.calls) != 0 {
			t.Error("the store was called")
		}

		tr = newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		closed := make(chan error)
		for range 3 {
			go func() { closed <- tr.r.Close() }()
		}
		for range 3 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		<-tr.done
		if err := tr.r.Close(); err != nil || tr.err != nil {
			t.Error(err, tr.err)
		}
	})
}

func TestNoGoroutineOutlivesRun(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		for _, faults := range []func(op string) fault{
			func(string) fault { return none },
			func(op string) fault {
				if op == "join" {
					return none
				}
				return hang
			},
			func(op string) fault {
				if op == "join" {
					return none
				}
				return fail
			},
		} {
			tr := newTestReplica(t, Config{DrainTimeout: time.Second})
			tr.r.Handle("job", untilCancelled)
			tr.store.putN(10, task.Spec{Kind: "job"})
			tr.run()
			tr.advance(time.Second)
			tr.store.setFault(faults)
			tr.advance(time.Second)
			begin := time.Now()
			if err := tr.shutDown(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > time.Second+lastCallsTimeout {
				t.Errorf("it took %v", took)
			}
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if bytes.Contains(stacks, []byte("worker.(*Replica)")) {
				t.Errorf("goroutines are left:\n%s", stacks)
			}
		}
	})
}

func TestShutdownUnderLoadLosesNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		store := newFakeStore()
		var mu sync.Mutex
		runs := make(map[string]int)
		store.putN(300, task.Spec{Kind: "job"})
		for round := 0; ; round++ {
			tr := newTestReplica(t, Config{DrainTimeout: 3 * time.Millisecond})
			tr.store, tr.r.store = store, store
			tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
				select {
				case <-time.After(time.Duration(len(tk.ID)+round%7) * time.Millisecond):
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
				mu.Lock()
				defer mu.Unlock()
				runs[tk.ID]++
				return nil, nil
			})
			tr.run()
			tr.advance(time.Duration(5+round%11) * time.Millisecond)
			tr.shutDown()
			left := 0
			for _, tk := range store.tasks {
				switch tk.State {
				case task.Waiting:
					left++
				case task.Succeeded:
				default:
					t.Fatalf("after round %d task %s is %s", round, tk.ID, tk.State)
				}
			}
			if left == 0 {
				break
			}
		}
		for id, n := range runs {
			if n != 1 {
				t.Errorf("task %s finished %d times", id, n)
			}
		}
	})
}

// Earlier calls may hang, for example because another program has overwritten the
// signal list. There must be time left for Leave.
func TestReplicaLeavesEvenIfEarlierCallsHang(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.setFault(func(op string) fault {
			if op == "leave" {
				return none
			}
			return hang
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.advance(time.Second)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if len(tr.store.left) != 1 {
			t.Errorf("left: %v", tr.store.left)
		}
	})
}

// A Join whose answer comes too late has put the replica on the list.
func TestReplicaThatEndsWhileJoiningIsNotListed(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.store.setFault(func(op string) fault {
			if op == "join" {
				return hang
			}
			return none
		})
		tr.run()
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if len(tr.store.left) != 1 || tr.log.count("") != 0 {
			t.Errorf("left: %v, log: %v", tr.store.left, tr.log.lines)
		}
	})
}

// Another client's signal may end the listener while the replica's own signal is in
// flight.
func TestNoSignalArrivesAfterTheReplicaHasLeft(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(20 * time.Second)
			return nil, nil
		})
		tr.store.putN(1, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		tr.cancel()
		tr.advance(time.Second)
		signals := 0
		tr.store.setFault(func(op string) fault {
			if op == "wake replica" {
				signals++
				return lag
			}
			return none
		})
		tr.advance(18 * time.Second)
		if signals != 1 {
			t.Fatalf("it sent %d signals to end its listener", signals)
		}
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "stop")
		tr.store.mu.Unlock()
		<-tr.done
		tr.advance(2 * time.Second)
		if tr.err != nil || len(tr.store.left) != 1 || len(tr.store.signals[tr.r.ID()]) > 0 {
			t.Errorf("Run returned %v, left: %v, signals: %v", tr.err, tr.store.left, tr.store.signals)
		}
	})
}

func TestClaimAnsweredDuringADrainIsReleased(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		lost := false
		tr.store.setFault(func(op string) fault {
			if op == "exchange" && !lost {
				lost = true
				return lose
			}
			return none
		})
		tr.store.putN(2, task.Spec{Kind: "job"})
		synctest.Wait()
		if !lost || tr.store.task("job-1").State != task.Running {
			t.Fatal("the claim was not lost")
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		tr.wantState("job-1", task.Waiting, task.CodeReleased)
		tr.wantState("job-2", task.Waiting, task.CodeReleased)
	})
}

func TestDrainRequestArrivesBySignalOrWithTheNextRenewal(t *testing.T) {
	for name, within := range map[string]time.Duration{"signals": 0, "renewal": 11 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(20 * time.Second)
					return nil, nil
				})
				tr.store.putN(10, task.Spec{Kind: "job"})
				tr.run()
				tr.advance(time.Second)
				if h := tr.r.Health(); !h.Joined || h.Draining || h.Running != 4 || h.Slots != 4 {
					t.Errorf("health %+v", h)
				}
				tr.store.mu.Lock()
				tr.store.drains[tr.r.ID()] = true
				if name == "signals" {
					tr.store.signal(tr.r.ID(), "drain")
				}
				tr.store.mu.Unlock()
				asked := time.Now()
				<-tr.r.Draining()
				if late := time.Since(asked); late > within {
					t.Errorf("it started the drain after %v", late)
				}
				if !tr.r.Health().Draining {
					t.Error("it does not say so")
				}
				<-tr.done // Run ends without the end of its context
				if tr.err != nil || len(tr.store.left) != 1 {
					t.Errorf("Run returned %v, left: %v", tr.err, tr.store.left)
				}
				for _, id := range []string{"job-1", "job-2", "job-3", "job-4"} {
					tr.wantState(id, task.Succeeded, task.CodeOK)
				}
			})
		})
	}
}
