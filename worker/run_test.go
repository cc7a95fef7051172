package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestEveryTaskRunsOnceWithinTheSlots(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		var running, most, runs atomic.Int64
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			time.Sleep(time.Millisecond)
			running.Add(-1)
			runs.Add(1)
			return []byte(tk.ID), nil
		})
		tr.r.Handle("other", noop)
		tr.store.putN(100, task.Spec{Kind: "job", Queue: "a"})
		tr.store.putN(50, task.Spec{Kind: "other", Queue: "b"})
		tr.run()
		tr.advance(time.Second)
		if runs.Load() != 100 || most.Load() != 3 {
			t.Errorf("%d runs, at most %d at a time; want 100 and 3", runs.Load(), most.Load())
		}
		for _, x := range tr.store.exchanges {
			for _, c := range x.Claims {
				if half := map[string][]int{"a": {2, 1}, "b": {1, 1}}[c.Queue][x.Sequence-1]; c.N > half {
					t.Errorf("sequence %d claimed %[3]d tasks of queue %[2]s, want at most half of its slots", x.Sequence, c.Queue, c.N)
				}
			}
		}
		if got := tr.store.task("job-100"); string(got.Result) != "job-100" || got.State != task.Succeeded {
			t.Errorf("last task is %s with result %q", got.State, got.Result)
		}
		if c := tr.r.Counts(); c != (Counts{Slots: 5}) {
			t.Errorf("counts afterwards: %+v", c)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleReplicaMakesAtMostOneCallASecond(t *testing.T) {
	for name, up := range map[string]task.Maintenance{"alone": {}, "one of many": {Busy: true}} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", noop)
				tr.store.maintenance = func() task.Maintenance { return up }
				tr.run()
				tr.advance(time.Minute)
				from := time.Now()
				tr.advance(10*time.Minute - 1)
				if n := len(tr.store.callsSince(from)); n > 600 {
					t.Errorf("%d calls in ten idle minutes, want at most 600", n)
				}
				tr.shutDown()
			})
		})
	}
}

func TestIdleReplicaStartsATaskAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		for _, wait := range []time.Duration{0, time.Millisecond, 7 * time.Second, time.Hour} {
			tr.advance(wait)
			tr.store.put(task.Spec{ID: "id" + wait.String(), Kind: "job"})
			synctest.Wait() // without passing time
			tr.wantState("id"+wait.String(), task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestFullQueueIsClaimedFromAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 1}}})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "first", Kind: "job"})
		tr.run()
		tr.advance(1500 * time.Millisecond)
		tr.wantState("first", task.Succeeded, task.CodeOK)
		tr.store.put(task.Spec{ID: "second", Kind: "job"})
		synctest.Wait()
		if got := tr.store.task("second").State; got != task.Running {
			t.Errorf("the second task is %s, want running", got)
		}
		tr.shutDown()
	})
}

func TestLimitedQueueContinuesInTheRoundTripOfTheReport(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.store.limits[task.DefaultQueue] = 2
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		tr.store.putN(10, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestScheduledTaskStartsOnTimeAndNeverEarly(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		started := make(map[string]time.Time)
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			started[tk.ID] = time.Now()
			return nil, nil
		})
		tr.run()
		begin := time.Now()
		delays := map[string]time.Duration{"late": 3333 * time.Millisecond, "soon": 20 * time.Millisecond, "far": time.Hour}
		tr.store.put(task.Spec{ID: "late", Kind: "job", Delay: delays["late"]}, task.Spec{ID: "far", Kind: "job", Delay: delays["far"]})
		synctest.Wait()
		tr.store.put(task.Spec{ID: "soon", Kind: "job", Delay: delays["soon"]}) // earlier than the last answer of the store
		tr.advance(2 * time.Hour)
		for id, d := range delays {
			if got := started[id].Sub(begin); got < d || got > d+time.Millisecond {
				t.Errorf("task %s started after %v, want %v", id, got, d)
			}
		}
		tr.shutDown()
	})
}

func TestSlowPollFindsATaskWhoseSignalWasLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.advance(time.Second)
		tr.store.putWithoutSignal(task.Spec{ID: "quiet", Kind: "job"})
		tr.advance(11 * time.Second)
		tr.wantState("quiet", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

func TestTaskOfAnUnknownKindIsReleasedWithADelay(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.put(task.Spec{ID: "odd", Kind: "unheard-of"})
		synctest.Wait()
		reports := tr.store.verdictsOf("odd")
		if len(reports) != 1 || reports[0].Op != task.Release || reports[0].Code != task.CodeNoHandler {
			t.Fatalf("reports: %+v, want one release with code no_handler", reports)
		}
		if d := reports[0].Delay; d < 100*time.Millisecond || d > time.Second {
			t.Errorf("it pauses for %v, want 100ms to 1s", d)
		}
		tr.shutDown()
	})
}

func TestInboxIsAdmittedToItsEnd(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			tr.store.push(task.Spec{ID: id, Kind: "job"})
		}
		synctest.Wait()
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestMaintenanceFindsInboxEntriesThatTheWaitMissed(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.store.setFault(func(op string) fault {
			if op == "await inbox" {
				return hang
			}
			return none
		})
		tr.run()
		tr.store.push(task.Spec{ID: "a", Kind: "job"}, task.Spec{ID: "b", Kind: "job"}, task.Spec{ID: "c", Kind: "job"})
		tr.advance(12 * time.Second)
		tr.wantState("c", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

func TestMaintenanceRunsWhenScheduledAndNotMoreOften(t *testing.T) {
	for name, c := range map[string]struct {
		up          task.Maintenance
		lease       time.Duration
		least, most int // turns in 100 s
	}{
		"nothing due":      {task.Maintenance{}, 0, 9, 12},
		"nothing due soon": {task.Maintenance{Next: time.Hour}, 0, 9, 12},
		"due in a second":  {task.Maintenance{Next: time.Second}, 0, 99, 101},
		"due at once":      {task.Maintenance{Next: time.Microsecond}, 0, 9_000, 10_001},
		"another is at it": {task.Maintenance{Busy: true}, 0, 18, 23},
		"short lease":      {task.Maintenance{}, time.Second, 99, 112},
		"shortest lease":   {task.Maintenance{Busy: true}, minLease, 900, 1001},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Lease: c.lease})
				tr.r.Handle("job", noop)
				tr.store.maintenance = func() task.Maintenance { return c.up }
				from := time.Now()
				tr.run()
				tr.advance(100 * time.Second)
				if n := len(tr.store.callsSince(from, "maintain")); n < c.least || n > c.most {
					t.Errorf("%d turns in 100 seconds, want %d to %d", n, c.least, c.most)
				}
				tr.shutDown()
			})
		})
	}
}

func TestJoinPublishesTheReplicaAndLogsConflicts(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{
			Queues:   map[string]task.QueueConfig{"q": {Workers: 2, Limit: 7, MaxLen: 9}},
			Policies: map[string]task.Policy{"job": {MaxAttempts: 2}, "elsewhere": {MaxAttempts: 4}},
			Limit:    5,
			Groups:   task.Groups{Limits: map[string]int{"acme": 1}},
			Version:  "v1.2.3", MaxEvents: 10, EventAge: time.Hour, ArchiveWait: 2 * time.Hour,
		})
		tr.r.Handle("job", noop)
		tr.r.Handle("plain", noop)
		tr.store.warnings = []string{"queue q: another replica says limit 6"}
		tr.run()
		got := tr.store.joins[0]
		if len(got.Kinds) != 2 || got.Kinds["job"].MaxAttempts != 2 || got.Queues["q"].Limit != 7 || got.Groups.Limits["acme"] != 1 ||
			got.Version != "v1.2.3" || got.Lease != DefaultLease || got.MaxEvent != 10 || got.EventAge != time.Hour || got.ArchiveWait != 2*time.Hour || got.PID == 0 ||
			got.Replica != tr.r.ID() || got.Replica == "" {
			t.Errorf("registration: %+v", got)
		}
		if tr.log.count("WARN queue q: another replica") != 1 {
			t.Error("the conflict was not logged as a warning")
		}
		tr.shutDown()
		if len(tr.store.replicas) != 0 {
			t.Error("it did not leave")
		}
	})
}

func TestRunFailsIfThePoolCannotBeJoined(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		for _, f := range []fault{fail, hang} {
			tr := newTestReplica(t, Config{})
			tr.r.Handle("job", noop)
			tr.store.setFault(func(string) fault { return f })
			tr.run()
			<-tr.done
			if tr.err == nil || f == fail && !errors.Is(tr.err, errDown) {
				t.Errorf("Run returned %v", tr.err)
			}
			if n := len(tr.store.callsSince(time.Time{})); n != 1 {
				t.Errorf("%d calls, want the one that failed", n)
			}
			tr.r.Close()
		}
	})
}

func TestRunReturnsNilIfItsContextEndsWhileJoining(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.store.setFault(func(string) fault { return hang })
		tr.run()
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestReplicaRunsOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		if err := tr.r.Run(t.Context()); err == nil {
			t.Error("a second Run at the same time did not fail")
		}
		tr.shutDown()
		if err := tr.r.Run(t.Context()); err == nil {
			t.Error("a second Run did not fail")
		}
	})
}

// failFirst makes the first n calls of an op fail.
func failFirst(op string, n int) func(string) fault {
	return func(got string) fault {
		if got == op && n > 0 {
			n--
			return fail
		}
		return none
	}
}
