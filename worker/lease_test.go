package worker

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeasesAreRenewedEveryThirdWithJitter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.store.put(Spec{ID: "x", Kind: "job", Timeout: Forever})
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
		g.r.Handle("job", func(ctx context.Context, _ *Task) ([]byte, error) {
			select {
			case <-time.After(20 * time.Second):
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		other, err := New(g.store, Config{Queues: map[string]QueueConfig{"other": {Workers: 1}}, Lease: time.Second, Logger: g.r.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		other.Handle("job", noop)
		ended := make(chan error)
		go func() { ended <- other.Run(context.Background()) }()
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		if err := g.end(); err != nil { // drains for the other 15 seconds
			t.Error(err)
		}
		g.wantState("x", Succeeded, CodeOK)
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
				g.r.Handle("job", func(ctx context.Context, task *Task) ([]byte, error) {
					_, cause = untilCancelled(ctx, task)
					cancelled = time.Since(begin)
					return []byte("too late"), nil
				})
				g.store.put(Spec{ID: "x", Kind: "job"})
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
				if !errors.Is(cause, ErrLeaseLost) || cancelled != 27*time.Second {
					t.Fatalf("cancelled with %v after %v, want a lost lease a tenth of a lease before its end", cause, cancelled)
				}
				said := g.store.said("x")
				if len(said) != 1 || said[0].Op != Release || said[0].Result != nil {
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
		"for that alone": {cause: ErrLeaseLost, after: lost},
		"timed out":      {timeout: 20 * time.Second, cause: ErrTimeout, after: lost},
		"stopped":        {end: stop, cause: ErrStopped, after: 5*time.Second + lost},
		"stopped and taken over": {end: func(g *rig) {
			stop(g)
			g.store.setFault(func(string) fault { return none })
			g.pass(time.Second)
			g.store.takeOver("x")
			g.r.bell()
		}, cause: ErrStopped, after: 6 * time.Second},
		"shut down": {end: func(g *rig) { g.cancel() }, cause: ErrShutdown, after: lost},
		"closed":    {end: func(g *rig) { go g.r.Close() }, cause: ErrShutdown, after: lost},
		"given up":  {timeout: time.Second, grace: 3 * time.Second, cause: ErrTimeout, after: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{StopGrace: cmp.Or(c.grace, time.Minute), DrainTimeout: 10 * time.Second})
				var cause error
				var ended, told time.Duration
				begin := time.Now()
				g.r.Handle("job", func(ctx context.Context, task *Task) ([]byte, error) {
					if told > 0 {
						return nil, nil // elsewhere, so to speak
					}
					_, cause = untilCancelled(ctx, task)
					ended = time.Since(begin)
					<-task.LeaseLost()
					told = time.Since(begin)
					return nil, cause
				})
				g.store.put(Spec{ID: "x", Kind: "job", Timeout: c.timeout})
				g.store.setFault(down)
				g.run()
				if c.end != nil {
					c.end(g)
				}
				g.pass(50 * time.Second)
				if cause != c.cause || told != c.after || (ended == told) != (cause == ErrLeaseLost) {
					t.Errorf("cancelled with %v after %v, told that the lease is lost after %v; want %v and %v", cause, ended, told, c.cause, c.after)
				}
				g.store.setFault(func(string) fault { return none })
				g.end()
			})
		})
	}
}

func TestTheLeaseOfATaskThatNoReplicaRunsIsNeverLost(t *testing.T) {
	if (&Task{}).LeaseLost() != nil {
		t.Error("there is something to wait for")
	}
}

func TestARenewalThatSaysLostCancelsTheHandlerAndDropsItsResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var cause error
		g.r.Handle("job", func(ctx context.Context, task *Task) ([]byte, error) {
			_, cause = untilCancelled(ctx, task)
			return []byte("too late"), nil
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.store.takeOver("x")
		g.pass(12 * time.Second)
		if !errors.Is(cause, ErrLeaseLost) {
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
		g.r.Handle("job", func(context.Context, *Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.store.takeOver("x")
		g.pass(2 * time.Second)
		if c := g.r.Counts(); c.Dropped != 1 || g.log.count("WARN a report came too late") != 1 {
			t.Errorf("counts: %+v, log: %v", c, g.log.lines)
		}
		g.end()
	})
}

func TestAStopReachesTheHandlerThroughTheDoorbell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.store.putN(3, Spec{Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		from := time.Now()
		g.store.requestStop("job-2")
		synctest.Wait()
		g.wantState("job-2", Stopped, CodeStopped)
		g.wantState("job-1", Running, "")
		if n := len(g.store.callsSince(from, "renew")); n != 1 {
			t.Errorf("%d renewals, want one", n)
		}
		g.r.Close()
	})
}

func TestAStopReachesTheHandlerWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{DrainTimeout: time.Hour})
		g.r.Handle("job", untilCancelled)
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.cancel()
		g.pass(time.Minute)
		g.store.requestStop("x")
		synctest.Wait()
		g.wantState("x", Stopped, CodeStopped)
		<-g.done
	})
}

func TestAStopThatCrossesTheClaimsReplyIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.run()
		g.store.setFault(func(op string) fault {
			if op == "exchange" && g.store.tasks["x"].State == Waiting {
				return lose
			}
			return none
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		synctest.Wait()
		g.store.requestStop("x") // claimed, says the store; the replica does not know yet
		g.pass(time.Second)
		g.wantState("x", Stopped, CodeStopped)
		g.end()
	})
}

func TestAnAttemptOfARepeatedAnswerKeepsTheLeaseItHasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var cancelled time.Time
		g.r.Handle("job", func(ctx context.Context, task *Task) ([]byte, error) {
			_, err := untilCancelled(ctx, task)
			if cancelled.IsZero() {
				cancelled = time.Now()
			}
			return nil, err
		})
		lost := 5
		g.store.setFault(func(op string) fault {
			switch {
			case op == "renew":
				return fail
			case op == "exchange" && lost > 0:
				lost--
				return lose
			}
			return none
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		claimed := time.Now()
		g.run()
		g.pass(time.Minute)
		if got := cancelled.Sub(claimed); got < 26*time.Second || got > 27*time.Second+time.Millisecond {
			t.Errorf("cancelled %v after the claim, want a tenth of a lease before 30s", got)
		}
		g.store.setFault(func(string) fault { return none })
		g.end()
	})
}

func TestAnAnswerRepeatedAfterItsLeaseIsGivenBackUnstarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Lease: time.Second})
		var attempts []int64
		g.r.Handle("job", func(_ context.Context, task *Task) ([]byte, error) {
			attempts = append(attempts, task.Attempt)
			return nil, nil
		})
		down := true
		g.store.setFault(func(op string) fault {
			switch {
			case !down, op == "join":
				return none
			case op == "exchange" && g.store.tasks["x"].State == Waiting:
				return lose
			}
			return fail
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		stale := g.store.task("x").Fence
		g.pass(3 * time.Second)
		g.store.mu.Lock()
		down = false
		g.store.fault = failFirst("maintain", 100) // nobody reaps it
		g.store.mu.Unlock()
		g.pass(5 * time.Second)
		said := g.store.said("x")
		if len(said) != 2 || said[0].Op != Release || said[0].Fence != stale {
			t.Errorf("reports: %+v, want the stale attempt released first", said)
		}
		if len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("attempts that ran: %v, want the second only", attempts)
		}
		g.wantState("x", Succeeded, CodeOK)
		g.end()
	})
}
