package worker

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestAForgottenReplicaJoinsAgainAndGoesOn(t *testing.T) {
	for name, data := range map[string]bool{"its record expired": false, "the store lost its data": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{Limits: Limits{Pool: 5}, Version: "v1.2.3"})
				g.r.Handle("job", noop)
				g.store.warnings = []string{"queue q: another replica says limit 6"}
				g.run()
				g.store.forget(data)
				g.store.put(Spec{ID: "x", Kind: "job"})
				synctest.Wait() // no time passes
				g.wantState("x", Succeeded, CodeOK)
				if len(g.store.joins) != 2 || !reflect.DeepEqual(g.store.joins[0], g.store.joins[1]) {
					t.Errorf("registrations: %+v, want two alike", g.store.joins)
				}
				if g.log.count("WARN the pool had forgotten this replica") != 1 || g.log.count("WARN queue q: another replica") != 2 ||
					g.log.count("ERROR") != 0 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.end()
			})
		})
	}
}

func TestEveryJoinIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		g.r.Handle("job", noop)
		g.store.setFault(func(string) fault { return fail })
		g.run()
		if err := g.end(); err == nil || g.log.count("joined") != 0 {
			t.Errorf("it could not join: %v, log: %v", err, g.log.lines)
		}

		g = newRig(t, Config{Queues: map[string]QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		g.r.Handle("job", noop)
		g.run()
		const first, again = "INFO joined the pool slots=map[a:3 b:2]", "WARN the pool had forgotten this replica; it has joined again"
		if g.log.count(first) != 1 || g.log.count("joined") != 1 {
			t.Errorf("log: %v", g.log.lines)
		}
		g.store.forget(false)
		g.pass(time.Minute)
		if g.log.count(first) != 1 || g.log.count(again) != 1 || g.log.count("joined") != 2 {
			t.Errorf("log: %v", g.log.lines)
		}
		g.end()
	})
}

func TestAnIdleReplicaNoticesAtItsHeartbeatThatItWasForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(time.Second)
		g.store.setFault(func(op string) fault { // the keeper is on its own
			if op == "exchange" {
				return fail
			}
			return none
		})
		g.store.forget(false)
		g.pass(11 * time.Second)
		if n := g.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want twice", n)
		}
		if up := g.store.joins[1].Up; g.store.joins[0].Up != 0 || up < 5*time.Second || up > 12*time.Second {
			t.Errorf("it says that it has run for %v and %v", g.store.joins[0].Up, up)
		}
		g.store.setFault(func(string) fault { return none })
		g.pass(10 * time.Minute)
		g.wantState("x", Running, "") // the verdict that came along was good
		if n := g.store.joined(); n != 2 || g.log.count("forgotten") != 1 {
			t.Errorf("it joined %d times, want twice; log: %v", n, g.log.lines)
		}
		g.r.Close()
	})
}

func TestReportsOutliveThatTheReplicaWasForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]QueueConfig{DefaultQueue: {Workers: 3}}})
		g.r.Handle("job", func(context.Context, *Task) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("done"), nil
		})
		g.store.putN(9, Spec{Kind: "job"})
		g.run()
		for range 3 {
			g.pass(500 * time.Millisecond)
			g.store.forget(false)
			g.pass(500 * time.Millisecond)
		}
		for id, task := range g.store.tasks {
			if task.State != Succeeded || task.Attempt != 1 || string(task.Result) != "done" {
				t.Errorf("task %s is %s after %d attempts with result %q", id, task.State, task.Attempt, task.Result)
			}
		}
		if c := g.r.Counts(); c.Dropped != 0 {
			t.Errorf("counts: %+v", c)
		}
		g.end()
	})
}

func TestJoiningAgainIsTriedUntilItWorksWithoutABusyLoop(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang} {
		t.Run("the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				g.r.Handle("job", noop)
				g.run()
				g.store.setFault(func(op string) fault {
					if op == "join" {
						return f
					}
					return none
				})
				g.store.forget(false)
				g.store.put(Spec{ID: "x", Kind: "job"})
				from := time.Now()
				g.pass(time.Minute)
				if n := len(g.store.callsSince(from, "join", "exchange", "renew")); n > 250 {
					t.Errorf("%d calls in a minute", n)
				}
				if g.log.count("ERROR calls to the store fail") != 1 || g.log.count("forgotten") != 0 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.store.setFault(func(string) fault { return none })
				g.pass(10 * time.Second)
				g.wantState("x", Succeeded, CodeOK)
				if g.log.count("WARN the store works again") != 1 || g.log.count("forgotten") != 1 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.end()
			})
		})
	}
}

func TestAStoreThatForgetsEveryJoinIsAnOutageNotABusyLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.store = amnesiac{g.store}
		g.r.Handle("job", noop)
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(time.Minute)
		if n := len(g.store.callsSince(time.Time{}, "join", "exchange", "renew")); n > 250 {
			t.Errorf("%d calls in a minute", n)
		}
		if n := g.log.count("ERROR calls to the store fail"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		g.end()
	})
}

// amnesiac takes a Join for nothing.
type amnesiac struct{ *fakeStore }

func (s amnesiac) Join(ctx context.Context, r Registration) ([]string, error) {
	_, err := s.fakeStore.Join(ctx, r)
	s.forget(false)
	return nil, err
}

func TestPumpAndKeeperMakeOneJoinOfWhatBothNotice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		slow := &slowJoins{fakeStore: g.store}
		g.r.store = slow
		g.r.Handle("talker", func(ctx context.Context, task *Task) ([]byte, error) {
			for ctx.Err() == nil { // keeps the keeper busy
				if err := task.SetProgress(time.Now()); err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			return nil, context.Cause(ctx)
		})
		g.r.Handle("job", noop) // keeps the pump busy
		g.store.put(Spec{ID: "x", Kind: "talker"})
		g.run()
		g.pass(time.Second)
		for i := range 20 {
			g.store.forget(false)
			g.store.putN(2, Spec{Kind: "job"})
			g.pass(1500*time.Millisecond + time.Duration(i)*37*time.Millisecond)
			if n := g.store.joined(); n != 2+i {
				t.Fatalf("%d joins after it was forgotten %d times", n, i+1)
			}
		}
		if slow.most != 1 {
			t.Errorf("%d joins at a time", slow.most)
		}
		g.wantState("x", Running, "")
		g.r.Close()
	})
}

// slowJoins takes its time for a Join, so that there is enough for a second one.
type slowJoins struct {
	*fakeStore
	now, most int // under the fake's mutex
}

func (s *slowJoins) Join(ctx context.Context, r Registration) ([]string, error) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	time.Sleep(200 * time.Millisecond)
	return s.fakeStore.Join(ctx, r)
}

func TestADrainingReplicaJoinsAgainButALeavingOneDoesNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{DrainTimeout: time.Hour})
		g.r.Handle("job", func(context.Context, *Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.cancel()
		g.pass(time.Second)
		g.store.forget(false)
		g.pass(20 * time.Second)
		if n := g.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want once more while it drains", n)
		}
		<-g.done
		g.wantState("x", Succeeded, CodeOK)

		// The reply to its last claim is lost; then it is told to end, and forgotten.
		g = newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.setFault(failFirst("exchange", 1))
		g.store.put(Spec{ID: "x", Kind: "job"})
		synctest.Wait()
		g.store.forget(false)
		begin := time.Now()
		if err := g.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > time.Second || g.store.joined() != 1 {
			t.Errorf("it left after %v and %d joins, want one at once", took, g.store.joined())
		}
		if len(g.store.replicas) != 0 {
			t.Error("a ghost is on the list")
		}
	})
}

func TestNoRenewalArrivesAfterTheReplicaHasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.store = slowRenewals{g.store}
		g.r.Handle("job", func(_ context.Context, task *Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, task.SetProgress("half") // the keeper renews at once
		})
		g.store.put(Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(time.Second)
		if err := g.end(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		g.pass(time.Minute)
		calls := g.store.callsSince(time.Time{})
		if last := calls[len(calls)-1].op; last != "leave" {
			t.Errorf("the last call is %q", last)
		}
		if len(g.store.callsSince(time.Time{}, "renew")) == 0 {
			t.Error("no renewal was under way")
		}
	})
}

// slowRenewals arrive late, whether or not anybody still waits for the answer.
type slowRenewals struct{ *fakeStore }

func (s slowRenewals) Renew(ctx context.Context, r Renewal) ([]Verdict, error) {
	time.Sleep(time.Second)
	return s.fakeStore.Renew(ctx, r)
}
