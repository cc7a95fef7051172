package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestLeasesAreRenewedEveryThirdWithJitter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
		g.run()
		begin := time.Now().Add(time.Second) // the doorbell may ring while it starts
		g.pass(time.Hour)
		seen := make(map[time.Duration]bool)
		renewals := g.store.callsSince(begin, "renew")
		last := renewals[0].at
		for _, c := range renewals[1:] {
			gap := c.at.Sub(last)
			if gap < 9*time.Second || gap > 11*time.Second {
				t.Errorf("two renewals are %v apart, want 10s ± 10 %%", gap)
			}
			seen[gap.Round(100*time.Millisecond)] = true
			last = c.at
		}
		if len(seen) < 5 {
			t.Errorf("the gaps between renewals hardly vary: %v", seen)
		}
		g.r.Close()
	})
}

func TestATaskTwentyLeasesLongIsNeverReclaimedAlsoWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Lease: time.Second, DrainTimeout: time.Hour})
		g.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			select {
			case <-time.After(20 * time.Second):
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		other, err := New(g.store, Config{Queues: map[string]task.QueueConfig{"other": {Workers: 1}}, Lease: time.Second, Logger: g.r.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		other.Handle("job", noop)
		ended := make(chan error)
		go func() { ended <- other.Run(context.Background()) }()
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		if err := g.end(); err != nil { // drains for the other 15 seconds
			t.Error(err)
		}
		g.wantState("x", task.Succeeded, task.CodeOK)
		if len(g.store.reaped) > 0 || g.store.task("x").Attempt != 1 {
			t.Errorf("reaped %v, attempts %d", g.store.reaped, g.store.task("x").Attempt)
		}
		other.Close()
		<-ended
	})
}

func TestAHandlerIsCancelledBeforeItsLeaseEndsUnrenewed(t *testing.T) {
	for name, f := range map[string]fault{"fail": fail, "hang": hang, "lose their replies": lose} {
		t.Run("renewals "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				var cancelled time.Duration
				var cause error
				begin := time.Now()
				g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
					_, cause = untilCancelled(ctx, tk)
					cancelled = time.Since(begin)
					return []byte("too late"), nil
				})
				g.store.put(task.Spec{ID: "x", Kind: "job"})
				g.store.setFault(func(op string) fault {
					if op == "renew" && time.Since(begin) < 27*time.Second {
						return f
					}
					return none
				})
				g.run()
				g.pass(27*time.Second - 1)
				if said := g.store.said("x"); len(said) != 0 {
					t.Fatalf("cancelled early: %+v", said)
				}
				g.pass(1)
				if !errors.Is(cause, task.ErrLeaseLost) || cancelled != 27*time.Second {
					t.Fatalf("cancelled with %v after %v, want a lost lease a tenth of a lease before its end", cause, cancelled)
				}
				said := g.store.said("x")
				if len(said) != 1 || said[0].Op != task.Release || said[0].Result != nil {
					t.Errorf("reports: %+v, want the task given back without its result", said)
				}
				if g.r.Counts().Dropped != 1 {
					t.Errorf("counts: %+v, want one outcome dropped", g.r.Counts())
				}
				g.end()
			})
		})
	}
}

// Only the first cause of a context stands, so that whoever was cancelled for
// something else has to learn it in another way.
func TestAHandlerThatIsAlreadyEndingLearnsThatItsLeaseIsLost(t *testing.T) {
	const lost = DefaultLease * 9 / 10 // after the last renewal
	down := failFirst("renew", 1_000_000)
	stop := func(g *rig) {
		g.store.setFault(func(string) fault { return none })
		g.pass(5 * time.Second)
		g.store.requestStop("x")
		synctest.Wait() // which renews the lease
		g.store.setFault(down)
	}
	for name, c := range map[string]struct {
		timeout time.Duration
		grace   time.Duration
		end     func(g *rig)
		cause   error
		after   time.Duration
	}{
		"for that alone": {cause: task.ErrLeaseLost, after: lost},
		"timed out":      {timeout: 20 * time.Second, cause: task.ErrTimeout, after: lost},
		"stopped":        {end: stop, cause: task.ErrStopped, after: 5*time.Second + lost},
		"stopped and taken over": {end: func(g *rig) {
			stop(g)
			g.store.setFault(func(string) fault { return none })
			g.pass(time.Second)
			g.store.takeOver("x")
			g.r.signalled()
		}, cause: task.ErrStopped, after: 6 * time.Second},
		"shut down": {end: func(g *rig) { g.cancel() }, cause: task.ErrShutdown, after: lost},
		"closed":    {end: func(g *rig) { go g.r.Close() }, cause: task.ErrShutdown, after: lost},
		"given up":  {timeout: time.Second, grace: 3 * time.Second, cause: task.ErrTimeout, after: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{StopGrace: cmp.Or(c.grace, time.Minute), DrainTimeout: 10 * time.Second})
				var cause error
				var ended, told time.Duration
				begin := time.Now()
				g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
					if told > 0 {
						return nil, nil // elsewhere, so to speak
					}
					_, cause = untilCancelled(ctx, tk)
					ended = time.Since(begin)
					<-tk.LeaseLost()
					told = time.Since(begin)
					return nil, cause
				})
				g.store.put(task.Spec{ID: "x", Kind: "job", Timeout: c.timeout})
				g.store.setFault(down)
				g.run()
				if c.end != nil {
					c.end(g)
				}
				g.pass(50 * time.Second)
				if cause != c.cause || told != c.after || (ended == told) != (cause == task.ErrLeaseLost) {
					t.Errorf("cancelled with %v after %v, told that the lease is lost after %v; want %v and %v", cause, ended, told, c.cause, c.after)
				}
				g.store.setFault(func(string) fault { return none })
				g.end()
			})
		})
	}
}

func TestTheLeaseOfATaskThatNoReplicaRunsIsNeverLost(t *testing.T) {
	if (&task.Task{}).LeaseLost() != nil {
		t.Error("there is something to wait for")
	}
}

func TestARenewalThatSaysLostCancelsTheHandlerAndDropsItsResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var cause error
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, cause = untilCancelled(ctx, tk)
			return []byte("too late"), nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.store.takeOver("x")
		g.pass(12 * time.Second)
		if !errors.Is(cause, task.ErrLeaseLost) {
			t.Errorf("cause is %v", cause)
		}
		if said := g.store.said("x"); len(said) != 0 {
			t.Errorf("reports: %+v, want none", said)
		}
		if c := g.r.Counts(); c.Dropped != 1 || c.Running != 0 {
			t.Errorf("counts: %+v", c)
		}
		g.end()
	})
}

func TestAReportThatComesTooLateIsCountedAndLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.store.takeOver("x")
		g.pass(2 * time.Second)
		if c := g.r.Counts(); c.Dropped != 1 || g.log.count("WARN a report was refused") != 1 {
			t.Errorf("counts: %+v, log: %v", c, g.log.lines)
		}
		g.end()
	})
}

func TestALostClaimCancelsAllItsAttemptsAndNoOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 6}}})
		causes := make(map[string]error)
		var mu sync.Mutex
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			mu.Lock()
			defer mu.Unlock()
			if tk.Attempt == 1 {
				causes[tk.ID] = err
			}
			return nil, err
		})
		g.store.putN(6, task.Spec{Kind: "job"})
		g.run()
		if len(g.store.held) != 2 {
			t.Fatalf("%d claims, want one per sequence", len(g.store.held))
		}
		for _, id := range []string{"job-1", "job-2", "job-3"} {
			g.store.takeOver(id)
		}
		g.pass(12 * time.Second)
		want := map[string]error{"job-1": task.ErrLeaseLost, "job-2": task.ErrLeaseLost, "job-3": task.ErrLeaseLost}
		if !maps.Equal(causes, want) {
			t.Errorf("cancelled: %v, want %v", causes, want)
		}
		if n := g.log.count("WARN the lease has ended"); n != 1 {
			t.Errorf("the lost claim was logged %d times", n)
		}
		g.r.Close()
	})
}

// A failover forgets the report of one task of a claim.
func TestAfterARecountTheStoreTakesBackWhatTheReplicaDoesNotHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 4}}})
		runs := make(map[string]int)
		g.r.Handle("short", func(_ context.Context, tk *task.Task) ([]byte, error) {
			runs[tk.ID]++
			time.Sleep(time.Second)
			return nil, nil
		})
		g.r.Handle("long", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		g.store.put(task.Spec{ID: "short", Kind: "short"}, task.Spec{ID: "long", Kind: "long"})
		g.run()
		g.pass(2 * time.Second)
		g.wantState("short", task.Succeeded, task.CodeOK)
		g.store.mu.Lock()
		x := g.store.tasks["short"]
		x.State = task.Running
		g.store.held[x.Fence].open = append(g.store.held[x.Fence].open, "short")
		g.store.mu.Unlock()
		g.pass(13 * time.Second)
		if runs["short"] != 2 || !slices.Equal(g.store.reaped, []string{"short"}) {
			t.Errorf("the task whose report was forgotten ran %d times; taken back: %v", runs["short"], g.store.reaped)
		}
		g.pass(time.Minute)
		g.wantState("long", task.Succeeded, task.CodeOK)
		if g.store.task("long").Attempt != 1 {
			t.Error("the other task of the claim ran again")
		}
		var named [][]string
		for _, r := range g.store.renewals {
			for _, h := range r.Held {
				if h.IDs != nil {
					named = append(named, h.IDs)
				}
			}
		}
		if len(named) != 1 || !slices.Equal(named[0], []string{"long"}) {
			t.Errorf("renewals named %v, want what it holds once", named)
		}
		g.end()
	})
}

func TestManyClaimsAndMuchNewsAreSeveralRenewals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 600
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: n}}})
		talk := make(chan struct{})
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			<-talk
			if err := tk.SetProgress(tk.ID); err != nil {
				t.Error(err)
			}
			return untilCancelled(ctx, tk)
		})
		for i := range n { // another bound each, so a claim each
			g.store.put(task.Spec{ID: fmt.Sprint("job-", i), Kind: "job", Timeout: time.Hour + time.Duration(i)*time.Second})
		}
		g.run()
		g.pass(12 * time.Second) // the fake store panics over a limit
		fences := make(map[int64]int)
		for _, r := range g.store.renewals {
			if r.Running != n {
				t.Errorf("%d running", r.Running)
			}
			for _, h := range r.Held {
				fences[h.Fence]++
			}
		}
		if len(fences) != n {
			t.Errorf("%d claims were renewed, want %d", len(fences), n)
		}
		from := len(g.store.renewals)
		close(talk)
		g.pass(2 * time.Second)
		for i := range n {
			id := fmt.Sprint("job-", i)
			if got := string(g.store.task(id).Progress); got != `"`+id+`"` {
				t.Errorf("progress of %s is %s", id, got)
			}
		}
		for _, r := range g.store.renewals[from:] {
			if len(r.Held) > 0 {
				t.Errorf("a renewal for updates names %d of %d claims", len(r.Held), n)
			}
		}
		g.pass(time.Minute)
		if len(g.store.reaped) > 0 {
			t.Errorf("taken back: %v", g.store.reaped)
		}
		g.r.Close()
	})
}

func TestARenewalSaysHowLongTheAttemptsHaveLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{StopGrace: time.Hour})
		h, free := stubborn()
		g.r.Handle("job", h)
		g.store.put(task.Spec{ID: "bounded", Kind: "job", Timeout: 15 * time.Second}, task.Spec{ID: "endless", Kind: "job", Timeout: task.Forever})
		g.run()
		begin := time.Now()
		g.pass(25 * time.Second)
		bounded := g.store.task("bounded").Fence
		for _, c := range g.store.callsSince(begin, "renew") {
			r := g.store.renewals[0]
			g.store.renewals = g.store.renewals[1:]
			for _, h := range r.Held {
				want := task.Forever
				if h.Fence == bounded {
					want = 15*time.Second - c.at.Sub(begin)
				}
				if h.Left != want || h.Held != 1 {
					t.Errorf("after %v a claim of %d attempts has %v left, want %v", c.at.Sub(begin), h.Held, h.Left, want)
				}
			}
		}
		free()
		g.end()
	})
}

// The watch is stuck: what it would have ended is still ended by the store.
func TestAnAttemptWhoseWatchIsStuckIsTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Lease: 10 * time.Second, StopGrace: time.Second})
		const givenUp = "a handler ignores its cancelled context"
		g.log.holds, g.log.held = givenUp, make(chan struct{})
		h, free := stubborn()
		g.r.Handle("stubborn", h)
		var cause error
		var ended time.Duration
		begin := time.Now()
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			if tk.Attempt > 1 {
				return nil, nil
			}
			_, cause = untilCancelled(ctx, tk)
			ended = time.Since(begin)
			return nil, cause
		})
		g.store.put(task.Spec{ID: "stubborn", Kind: "stubborn", Timeout: time.Second}, task.Spec{ID: "x", Kind: "job", Timeout: 20 * time.Second})
		g.run()
		g.pass(20*time.Second + 500*time.Millisecond)
		if cause != nil {
			t.Fatalf("the watch is not stuck: it ended the attempt with %v", cause)
		}
		g.pass(20 * time.Second)
		// The bound, the grace, the slack, a turn of maintenance and a renewal.
		if cause != task.ErrLeaseLost || ended > (20+1+2+10+4)*time.Second {
			t.Errorf("the attempt was cancelled with %v after %v", cause, ended)
		}
		if said := g.store.said("x"); len(said) != 1 || said[0].Op != task.Succeed {
			t.Errorf("reports: %+v, want one of the second attempt", said)
		}
		close(g.log.held)
		free()
		g.end()
	})
}
