package worker

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAForgottenReplicaJoinsAgainUnderANewIDAndGoesOn(t *testing.T) {
	for name, data := range map[string]bool{"its record expired": false, "the store lost its data": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{Limit: 5, Version: "v1.2.3"})
				g.r.Handle("job", noop)
				g.store.warnings = []string{"queue q: another replica says limit 6"}
				g.run()
				old := g.r.ID()
				g.store.forget(data)
				g.store.put(task.Spec{ID: "x", Kind: "job"})
				g.pass(11 * time.Second)
				g.wantState("x", task.Succeeded, task.CodeOK)
				if len(g.store.joins) != 2 {
					t.Fatalf("registrations: %+v, want two", g.store.joins)
				}
				first, second := g.store.joins[0], g.store.joins[1]
				if first.Replica != old || second.Replica == old || second.Replica != g.r.ID() || g.store.task("x").Replica != g.r.ID() {
					t.Errorf("it was %s, joined as %s and is %s now; the task ran on %s", old, second.Replica, g.r.ID(), g.store.task("x").Replica)
				}
				first.Replica, first.Up = second.Replica, second.Up
				if !reflect.DeepEqual(first, second) {
					t.Errorf("registrations: %+v, want two alike", g.store.joins)
				}
				if g.log.count("WARN the pool did not know this replica any more") != 1 || g.log.count("WARN queue q: another replica") != 2 ||
					g.log.count("ERROR") != 0 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.store.put(task.Spec{ID: "y", Kind: "job"})
				synctest.Wait() // no time passes: it listens to its new doorbell
				g.wantState("y", task.Succeeded, task.CodeOK)
				g.end()
			})
		})
	}
}

func TestEveryJoinIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		g.r.Handle("job", noop)
		g.store.setFault(func(string) fault { return fail })
		g.run()
		if err := g.end(); err == nil || g.log.count("joined") != 0 {
			t.Errorf("it could not join: %v, log: %v", err, g.log.lines)
		}

		g = newRig(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		g.r.Handle("job", noop)
		g.run()
		const first, again = "INFO joined the pool slots=map[a:3 b:2]", "WARN the pool did not know this replica any more; it has joined again"
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

func TestAForgottenReplicaNoticesAtItsHeartbeatAndGivesUpWhatItHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		var causes []error
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			causes = append(causes, err)
			return nil, err
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(time.Second)
		g.store.setFault(func(op string) fault { // the keeper is on its own
			if op == "exchange" {
				return fail
			}
			return none
		})
		g.store.forget(false)
		g.pass(12 * time.Second)
		if n := g.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want twice", n)
		}
		if len(causes) != 1 || causes[0] != task.ErrLeaseLost || len(g.store.said("x")) > 0 {
			t.Errorf("the handler was cancelled with %v, reports: %+v; want a lost lease and none", causes, g.store.said("x"))
		}
		if up := g.store.joins[1].Up; g.store.joins[0].Up != 0 || up < 5*time.Second || up > 12*time.Second {
			t.Errorf("it says that it has run for %v and %v", g.store.joins[0].Up, up)
		}
		g.store.setFault(func(string) fault { return none })
		g.pass(10 * time.Minute)
		if x := g.store.task("x"); x.State != task.Running || x.Attempt != 2 || x.Replica != g.r.ID() {
			t.Errorf("the task is %s on %s in attempt %d, want it to run here again", x.State, x.Replica, x.Attempt)
		}
		if n := g.store.joined(); n != 2 || g.log.count("joined again") != 1 {
			t.Errorf("it joined %d times, want twice; log: %v", n, g.log.lines)
		}
		g.r.Close()
	})
}

func TestReportsOfTheExchangeThatFindsTheReplicaForgottenCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("done"), nil
		})
		g.store.putN(3, task.Spec{Kind: "job"})
		g.run()
		for range 3 {
			g.pass(500 * time.Millisecond)
			g.store.forget(false)
			g.pass(500 * time.Millisecond)
		}
		for id, tk := range g.store.tasks {
			if tk.State != task.Succeeded || tk.Attempt != 1 || string(tk.Result) != "done" {
				t.Errorf("task %s is %s after %d attempts with result %q", id, tk.State, tk.Attempt, tk.Result)
			}
		}
		if c := g.r.Counts(); c.Dropped != 0 {
			t.Errorf("counts: %+v", c)
		}
		g.end()
	})
}

// Its sequences have exchanges in flight and reports in line when the pool forgets it.
func TestWhatAForgottenReplicaHeldIsDroppedInBothSequences(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{StopGrace: time.Hour})
		g.r.store = slowStore{g.store, 100 * time.Millisecond}
		free := make(chan struct{})
		g.r.Handle("short", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("done"), nil
		})
		g.r.Handle("long", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			<-ctx.Done()
			if context.Cause(ctx) == task.ErrLeaseLost {
				<-free
			}
			return nil, context.Cause(ctx)
		})
		for i := range 2 {
			g.store.put(task.Spec{ID: fmt.Sprint("short-", i), Kind: "short"}, task.Spec{ID: fmt.Sprint("long-", i), Kind: "long"})
		}
		g.run()
		g.pass(800 * time.Millisecond)
		old := g.r.ID()
		g.store.forget(false)
		g.pass(2 * time.Second)
		for id, tk := range g.store.tasks {
			if tk.State == task.Running && tk.Replica != old {
				t.Errorf("task %s runs on %s", id, tk.Replica)
			}
		}
		if c := g.r.Counts(); c.Running != 2 || g.store.joined() != 2 {
			t.Errorf("counts: %+v, %d joins", c, g.store.joined())
		}
		close(free)
		g.store.put(task.Spec{ID: "after", Kind: "short"})
		g.pass(2 * time.Second)
		g.wantState("after", task.Succeeded, task.CodeOK)
		for i := range 2 {
			if said := g.store.said(fmt.Sprint("long-", i)); len(said) > 0 {
				t.Errorf("reports: %+v", said)
			}
		}
		if c := g.r.Counts(); c.Running != 0 || c.Dropped < 2 {
			t.Errorf("counts: %+v", c)
		}
		g.end()
	})
}

// Its second sequence waits for the answer to a claim when the keeper learns of it.
func TestAClaimOfAForgottenReplicaIsGivenBackUnstarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		store := &lateStore{fakeStore: g.store}
		g.r.store = store
		g.r.Handle("job", untilCancelled)
		var ran []string
		g.r.Handle("quick", func(_ context.Context, tk *task.Task) ([]byte, error) {
			ran = append(ran, tk.Replica)
			return nil, nil
		})
		g.store.putN(2, task.Spec{Kind: "job"}) // fill the first sequence
		g.run()
		store.late(2)
		g.store.put(task.Spec{ID: "x", Kind: "quick"})
		g.pass(100 * time.Millisecond)
		old := g.r.ID()
		if x := g.store.task("x"); x.State != task.Running || x.Replica != old {
			t.Fatalf("x is %s", x.State)
		}
		g.store.forget(false)
		g.r.signalled()
		g.pass(3 * time.Second)
		if said := g.store.said("x"); len(said) != 2 || said[0].Op != task.Release || len(ran) != 1 || ran[0] != g.r.ID() || ran[0] == old {
			t.Errorf("reports: %+v, it ran on %v; want it released and run under the new id %s", said, ran, g.r.ID())
		}
		g.r.Close()
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
				g.store.put(task.Spec{ID: "x", Kind: "job"})
				from := time.Now()
				g.pass(time.Minute)
				if n := len(g.store.callsSince(from, "join", "exchange", "renew")); n > 250 {
					t.Errorf("%d calls in a minute", n)
				}
				if g.log.count("ERROR calls to the store fail") != 1 || g.log.count("joined again") != 0 {
					t.Errorf("log: %v", g.log.lines)
				}
				g.store.setFault(func(string) fault { return none })
				g.pass(10 * time.Second)
				g.wantState("x", task.Succeeded, task.CodeOK)
				if g.log.count("WARN the store works again") != 1 || g.log.count("joined again") != 1 {
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
		g.store.put(task.Spec{ID: "x", Kind: "job"})
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

func (s amnesiac) Join(ctx context.Context, r task.Registration) ([]string, error) {
	_, err := s.fakeStore.Join(ctx, r)
	s.forget(false)
	return nil, err
}

func TestSequencesAndKeeperMakeOneJoinOfWhatAllNotice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 8}}})
		slow := &slowJoins{fakeStore: g.store}
		g.r.store = slow
		g.r.Handle("talker", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			for ctx.Err() == nil { // keeps the keeper busy
				if err := tk.SetProgress(time.Now()); err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			return nil, context.Cause(ctx)
		})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) { // keeps the sequences busy
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		})
		g.run()
		g.pass(time.Second)
		for i := range 20 {
			g.store.put(task.Spec{ID: fmt.Sprint("talker-", i), Kind: "talker"})
			g.store.putN(100, task.Spec{Kind: "job"})
			g.pass(time.Duration(i) * 7 * time.Millisecond)
			g.store.forget(false)
			g.pass(1500 * time.Millisecond)
			if n := g.store.joined(); n != 2+i {
				t.Fatalf("%d joins after it was forgotten %d times", n, i+1)
			}
		}
		if slow.most != 1 {
			t.Errorf("%d joins at a time", slow.most)
		}
		g.r.Close()
	})
}

// slowJoins takes its time for a Join, so that there is enough for a second one.
type slowJoins struct {
	*fakeStore
	now, most int // under the fake's mutex
}

func (s *slowJoins) Join(ctx context.Context, r task.Registration) ([]string, error) {
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
		g := newRig(t, Config{DrainTimeout: time.Hour, StopGrace: time.Hour})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.cancel()
		g.pass(time.Second)
		g.store.forget(false)
		g.pass(20 * time.Second)
		if n := g.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want once more while it drains", n)
		}
		<-g.done
		if said := g.store.said("x"); len(said) > 0 || len(g.store.replicas) != 0 {
			t.Errorf("reports: %+v, replicas: %v", said, g.store.replicas)
		}

		// The reply to its last claim is lost; then it is told to end, and forgotten.
		g = newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.setFault(failFirst("exchange", 1))
		g.store.put(task.Spec{ID: "x", Kind: "job"})
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
		g.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, tk.SetProgress("half") // the keeper renews at once
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
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

func (s slowRenewals) Renew(ctx context.Context, r task.Renewal) (task.Renewed, error) {
	time.Sleep(time.Second)
	return s.fakeStore.Renew(ctx, r)
}
