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

func TestADrainLetsHandlersFinishAndClaimsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(20 * time.Second)
			return nil, nil
		})
		g.store.putN(10, task.Spec{Kind: "job"})
		g.run()
		g.pass(time.Second)
		begin := time.Now()
		g.cancel()
		synctest.Wait()
		from := len(g.store.exchanges) - 1
		g.store.mu.Lock()
		last := g.store.renewals[len(g.store.renewals)-1]
		g.store.mu.Unlock()
		if !last.Draining || !g.store.exchanges[from].Draining {
			t.Errorf("the pool does not know of the drain at once: %+v", last)
		}
		g.pass(0)
		<-g.done
		if g.err != nil || time.Since(begin) != 19*time.Second {
			t.Errorf("Run returned %v after %v", g.err, time.Since(begin))
		}
		for _, x := range g.store.exchanges[from:] {
			if len(x.Claims) > 0 || !x.Draining {
				t.Errorf("it claimed while draining: %+v", x)
			}
		}
		for i, id := range []string{"job-1", "job-2", "job-3", "job-4", "job-5", "job-6"} {
			if i < 4 {
				g.wantState(id, task.Succeeded, task.CodeOK)
			} else {
				g.wantState(id, task.Waiting, "")
			}
		}
		if len(g.store.left) != 1 {
			t.Errorf("left: %v", g.store.left)
		}
	})
}

func TestADrainGivesBackWhatDoesNotFinishInTimeWithoutAnAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{DrainTimeout: 5 * time.Second})
		var cause error
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, cause = untilCancelled(ctx, tk)
			return nil, cause
		})
		g.r.Handle("finisher", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			untilCancelled(ctx, tk)
			time.Sleep(time.Second)
			return []byte("done after all"), nil
		})
		h, free := stubborn()
		g.r.Handle("stuck", h)
		g.store.put(task.Spec{ID: "job", Kind: "job"}, task.Spec{ID: "finisher", Kind: "finisher"}, task.Spec{ID: "stuck", Kind: "stuck"})
		g.run()
		begin := time.Now()
		err := g.end()
		if took := time.Since(begin); err != nil || took != 15*time.Second {
			t.Errorf("Run returned %v after %v, want nil after drain timeout and grace", err, took)
		}
		if cause != task.ErrShutdown {
			t.Errorf("cause is %v", cause)
		}
		g.wantState("job", task.Waiting, task.CodeReleased)
		g.wantState("stuck", task.Waiting, task.CodeReleased)
		g.wantState("finisher", task.Succeeded, task.CodeOK)
		if said := g.store.said("job"); len(said) != 1 || said[0].at.Sub(begin) != 5*time.Second {
			t.Errorf("the handler that returned at once was reported %+v", said)
		}
		free()
	})
}

func TestCloseReleasesNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{DrainTimeout: time.Hour})
		g.r.Handle("job", untilCancelled)
		g.store.putN(4, task.Spec{Kind: "job"})
		g.run()
		begin := time.Now()
		if err := g.r.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
		for _, id := range []string{"job-1", "job-4"} {
			g.wantState(id, task.Waiting, task.CodeReleased)
		}
		<-g.done
		if g.err != nil {
			t.Error(g.err)
		}
	})
}

func TestCloseCutsADrainShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{DrainTimeout: time.Hour})
		g.r.Handle("job", untilCancelled)
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.cancel()
		g.pass(time.Minute)
		g.wantState("x", task.Running, "")
		g.r.Close()
		g.wantState("x", task.Waiting, task.CodeReleased)
		<-g.done
	})
}

func TestCloseIsFineAtAnyTimeAndTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		for range 2 {
			if err := g.r.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := g.r.Run(t.Context()); err != nil {
			t.Errorf("Run after Close returned %v", err)
		}
		if len(g.store.calls) != 0 {
			t.Error("the store was called")
		}

		g = newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		closed := make(chan error)
		for range 3 {
			go func() { closed <- g.r.Close() }()
		}
		for range 3 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		<-g.done
		if err := g.r.Close(); err != nil || g.err != nil {
			t.Error(err, g.err)
		}
	})
}

func TestGoroutinesAreGoneWhenRunReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
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
			g := newRig(t, Config{DrainTimeout: time.Second})
			g.r.Handle("job", untilCancelled)
			g.store.putN(10, task.Spec{Kind: "job"})
			g.run()
			g.pass(time.Second)
			g.store.setFault(faults)
			g.pass(time.Second)
			begin := time.Now()
			if err := g.end(); err != nil {
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
	bubble(t, func(t *testing.T) {
		store := newFakeStore()
		var mu sync.Mutex
		runs := make(map[string]int)
		store.putN(300, task.Spec{Kind: "job"})
		for round := 0; ; round++ {
			g := newRig(t, Config{DrainTimeout: 3 * time.Millisecond})
			g.store, g.r.store = store, store
			g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
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
			g.run()
			g.pass(time.Duration(5+round%11) * time.Millisecond)
			g.end()
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

// What hangs before it, such as the rings of a doorbell that another program has
// overwritten, leaves time to leave.
func TestAReplicaLeavesWhateverHangsBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.setFault(func(op string) fault {
			if op == "leave" {
				return none
			}
			return hang
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.pass(time.Second)
		if err := g.end(); err != nil {
			t.Error(err)
		}
		if len(g.store.left) != 1 {
			t.Errorf("left: %v", g.store.left)
		}
	})
}

// A join whose answer comes too late has put the replica on the list.
func TestAReplicaThatEndsWhileItJoinsIsNotListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.store.setFault(func(op string) fault {
			if op == "join" {
				return hang
			}
			return none
		})
		g.run()
		if err := g.end(); err != nil {
			t.Error(err)
		}
		if len(g.store.left) != 1 || g.log.count("") != 0 {
			t.Errorf("left: %v, log: %v", g.store.left, g.log.lines)
		}
	})
}

// The listener may end by somebody else's ring while its own is under way.
func TestNoRingOfTheOwnBellArrivesAfterTheReplicaHasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(20 * time.Second)
			return nil, nil
		})
		g.store.putN(1, task.Spec{Kind: "job"})
		g.run()
		g.pass(time.Second)
		g.cancel()
		g.pass(time.Second)
		rings := 0
		g.store.setFault(func(op string) fault {
			if op == "wake replica" {
				rings++
				return lag
			}
			return none
		})
		g.pass(18 * time.Second)
		if rings != 1 {
			t.Fatalf("it rang %d times to end its listener", rings)
		}
		g.store.mu.Lock()
		g.store.signal(g.r.ID(), "stop")
		g.store.mu.Unlock()
		<-g.done
		g.pass(2 * time.Second)
		if g.err != nil || len(g.store.left) != 1 || len(g.store.signals[g.r.ID()]) > 0 {
			t.Errorf("Run returned %v, left: %v, signals: %v", g.err, g.store.left, g.store.signals)
		}
	})
}

func TestAClaimThatADrainCutsOffIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		lost := false
		g.store.setFault(func(op string) fault {
			if op == "exchange" && !lost {
				lost = true
				return lose
			}
			return none
		})
		g.store.putN(2, task.Spec{Kind: "job"})
		synctest.Wait()
		if !lost || g.store.task("job-1").State != task.Running {
			t.Fatal("the claim was not lost")
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
		g.wantState("job-1", task.Waiting, task.CodeReleased)
		g.wantState("job-2", task.Waiting, task.CodeReleased)
	})
}

func TestADrainThatSomebodyAsksForIsLearntByBellOrByTheNextRenewal(t *testing.T) {
	for name, within := range map[string]time.Duration{"signals": 0, "renewal": 11 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(20 * time.Second)
					return nil, nil
				})
				g.store.putN(10, task.Spec{Kind: "job"})
				g.run()
				g.pass(time.Second)
				if h := g.r.Health(); !h.Joined || h.Draining || h.Running != 4 || h.Slots != 4 {
					t.Errorf("health %+v", h)
				}
				g.store.mu.Lock()
				g.store.drains[g.r.ID()] = true
				if name == "signals" {
					g.store.signal(g.r.ID(), "drain")
				}
				g.store.mu.Unlock()
				asked := time.Now()
				<-g.r.Draining()
				if late := time.Since(asked); late > within {
					t.Errorf("it learnt of it after %v", late)
				}
				if !g.r.Health().Draining {
					t.Error("it does not say so")
				}
				<-g.done // the end of its context was not needed
				if g.err != nil || len(g.store.left) != 1 {
					t.Errorf("Run returned %v, left: %v", g.err, g.store.left)
				}
				for _, id := range []string{"job-1", "job-2", "job-3", "job-4"} {
					g.wantState(id, task.Succeeded, task.CodeOK)
				}
			})
		})
	}
}
