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

func TestForgottenReplicaJoinsAgainUnderANewID(t *testing.T) {
	for name, data := range map[string]bool{"its record expired": false, "the store lost its data": true} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Limit: 5, Version: "v1.2.3"})
				tr.r.Handle("job", noop)
				tr.store.warnings = []string{"queue q: another replica says limit 6"}
				tr.run()
				old := tr.r.ID()
				tr.store.forgetReplicas(data)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.advance(11 * time.Second)
				tr.wantState("x", task.Succeeded, task.CodeOK)
				if len(tr.store.joins) != 2 {
					t.Fatalf("registrations: %+v, want two", tr.store.joins)
				}
				first, second := tr.store.joins[0], tr.store.joins[1]
				if first.Replica != old || second.Replica == old || second.Replica != tr.r.ID() || tr.store.task("x").Replica != tr.r.ID() {
					t.Errorf("it was %s, joined as %s and is %s now; the task ran on %s", old, second.Replica, tr.r.ID(), tr.store.task("x").Replica)
				}
				first.Replica, first.Up = second.Replica, second.Up
				if !reflect.DeepEqual(first, second) {
					t.Errorf("registrations: %+v, want two alike", tr.store.joins)
				}
				if tr.log.count("WARN the pool did not know this replica any more") != 1 || tr.log.count("WARN queue q: another replica") != 2 ||
					tr.log.count("ERROR") != 0 {
					t.Errorf("log: %v", tr.log.lines)
				}
				tr.store.put(task.Spec{ID: "y", Kind: "job"})
				synctest.Wait() // without passing time: it listens under its new id
				tr.wantState("y", task.Succeeded, task.CodeOK)
				tr.shutDown()
			})
		})
	}
}

func TestForgottenReplicaLearnsOfItFromARenewalAndCancelsItsHandlers(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		var causes []error
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			_, err := untilCancelled(ctx, tk)
			causes = append(causes, err)
			return nil, err
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		tr.store.setFault(func(op string) fault { // only the keeper reaches the store
			if op == "exchange" {
				return fail
			}
			return none
		})
		tr.store.forgetReplicas(false)
		tr.advance(12 * time.Second)
		if n := tr.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want twice", n)
		}
		if len(causes) != 1 || causes[0] != task.ErrLeaseLost || len(tr.store.verdictsOf("x")) > 0 {
			t.Errorf("the handler was cancelled with %v, reports: %+v; want a lost lease and none", causes, tr.store.verdictsOf("x"))
		}
		if up := tr.store.joins[1].Up; tr.store.joins[0].Up != 0 || up < 5*time.Second || up > 12*time.Second {
			t.Errorf("registered with an up time of %v and %v", tr.store.joins[0].Up, up)
		}
		tr.store.setFault(func(string) fault { return none })
		tr.advance(10 * time.Minute)
		if x := tr.store.task("x"); x.State != task.Running || x.Attempt != 2 || x.Replica != tr.r.ID() {
			t.Errorf("the task is %s on %s in attempt %d, want it to run here again", x.State, x.Replica, x.Attempt)
		}
		if n := tr.store.joined(); n != 2 || tr.log.count("joined again") != 1 {
			t.Errorf("it joined %d times, want twice; log: %v", n, tr.log.lines)
		}
		tr.r.Close()
	})
}

func TestReportsOfAnExchangeThatReturnsNotJoinedCount(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("done"), nil
		})
		tr.store.putN(3, task.Spec{Kind: "job"})
		tr.run()
		for range 3 {
			tr.advance(500 * time.Millisecond)
			tr.store.forgetReplicas(false)
			tr.advance(500 * time.Millisecond)
		}
		for id, tk := range tr.store.tasks {
			if tk.State != task.Succeeded || tk.Attempt != 1 || string(tk.Result) != "done" {
				t.Errorf("task %s is %s after %d attempts with result %q", id, tk.State, tk.Attempt, tk.Result)
			}
		}
		if c := tr.r.Counts(); c.Dropped != 0 {
			t.Errorf("counts: %+v", c)
		}
		tr.shutDown()
	})
}

// Both sequences have exchanges in flight and queued reports when the pool forgets the
// replica.
func TestForgottenReplicaDropsTheReportsOfBothSequences(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{StopGrace: time.Hour})
		tr.r.store = slowStore{tr.store, 100 * time.Millisecond}
		free := make(chan struct{})
		tr.r.Handle("short", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte("done"), nil
		})
		tr.r.Handle("long", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			<-ctx.Done()
			if context.Cause(ctx) == task.ErrLeaseLost {
				<-free
			}
			return nil, context.Cause(ctx)
		})
		for i := range 2 {
			tr.store.put(task.Spec{ID: fmt.Sprint("short-", i), Kind: "short"}, task.Spec{ID: fmt.Sprint("long-", i), Kind: "long"})
		}
		tr.run()
		tr.advance(800 * time.Millisecond)
		old := tr.r.ID()
		tr.store.forgetReplicas(false)
		tr.advance(2 * time.Second)
		for id, tk := range tr.store.tasks {
			if tk.State == task.Running && tk.Replica != old {
				t.Errorf("task %s runs on %s", id, tk.Replica)
			}
		}
		if c := tr.r.Counts(); c.Running != 2 || tr.store.joined() != 2 {
			t.Errorf("counts: %+v, %d joins", c, tr.store.joined())
		}
		close(free)
		tr.store.put(task.Spec{ID: "after", Kind: "short"})
		tr.advance(2 * time.Second)
		tr.wantState("after", task.Succeeded, task.CodeOK)
		for i := range 2 {
			if reports := tr.store.verdictsOf(fmt.Sprint("long-", i)); len(reports) > 0 {
				t.Errorf("reports: %+v", reports)
			}
		}
		if c := tr.r.Counts(); c.Running != 0 || c.Dropped < 2 {
			t.Errorf("counts: %+v", c)
		}
		tr.shutDown()
	})
}

// The second sequence waits for the answer to a claim when the keeper learns that the
// pool does not know the replica.
func TestClaimOfAForgottenReplicaIsReleasedUnstarted(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		store := &lateStore{fakeStore: tr.store}
		tr.r.store = store
		tr.r.Handle("job", untilCancelled)
		var ran []string
		tr.r.Handle("quick", func(_ context.Context, tk *task.Task) ([]byte, error) {
			ran = append(ran, tk.Replica)
			return nil, nil
		})
		tr.store.putN(2, task.Spec{Kind: "job"}) // fill the first sequence
		tr.run()
		store.late(2)
		tr.store.put(task.Spec{ID: "x", Kind: "quick"})
		tr.advance(100 * time.Millisecond)
		old := tr.r.ID()
		if x := tr.store.task("x"); x.State != task.Running || x.Replica != old {
			t.Fatalf("x is %s", x.State)
		}
		tr.store.forgetReplicas(false)
		tr.r.signalled()
		tr.advance(3 * time.Second)
		if reports := tr.store.verdictsOf("x"); len(reports) != 2 || reports[0].Op != task.Release || len(ran) != 1 || ran[0] != tr.r.ID() || ran[0] == old {
			t.Errorf("reports: %+v, it ran on %v; want it released and run under the new id %s", reports, ran, tr.r.ID())
		}
		tr.r.Close()
	})
}
