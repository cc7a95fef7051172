package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestStopReachesTheHandlerBySignal(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", untilCancelled)
		tr.store.putN(3, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		from := time.Now()
		tr.store.requestStop("job-2")
		synctest.Wait()
		tr.wantState("job-2", task.Stopped, task.CodeStopped)
		tr.wantState("job-1", task.Running, "")
		if n := len(tr.store.callsSince(from, "renew")); n != 1 {
			t.Errorf("%d renewals, want one", n)
		}
		if stopped, failed := tr.log.count("INFO attempt stopped"), tr.log.count("INFO attempt failed"); stopped != 1 || failed != 0 {
			t.Errorf("the log has %d stopped and %d failed attempts", stopped, failed)
		}
		tr.r.Close()
	})
}

// A report from outside cancels the handler of the attempt, also if it was the only one of its
// claim, and nothing that the handler returns changes the task.
func TestReportFromOutsideCancelsTheHandler(t *testing.T) {
	for _, n := range []int{1, 3} {
		inFakeTime(t, func(t *testing.T) {
			tr := newTestReplica(t, Config{})
			causes := make(chan error, n)
			tr.r.Handle("job", func(ctx context.Context, _ *task.Task) ([]byte, error) {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return nil, context.Cause(ctx)
			})
			tr.store.putN(n, task.Spec{Kind: "job"})
			tr.run()
			tr.advance(5 * time.Second)
			tr.store.endFromOutside("job-1")
			synctest.Wait()
			select {
			case cause := <-causes:
				if cause != task.ErrReported {
					t.Errorf("the cause is %v", cause)
				}
			default:
				t.Error("the handler was not cancelled")
			}
			tr.wantState("job-1", task.Succeeded, task.CodeOK)
			if n > 1 {
				tr.wantState("job-2", task.Running, "")
			}
			tr.r.Close()
		})
	}
}

func TestStopReachesTheHandlerWhileDraining(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Hour})
		tr.r.Handle("job", untilCancelled)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.cancel()
		tr.advance(time.Minute)
		tr.store.requestStop("x")
		synctest.Wait()
		tr.wantState("x", task.Stopped, task.CodeStopped)
		<-tr.done
	})
}

func TestStopBeforeTheAnswerToTheClaimIsNotMissed(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", untilCancelled)
		tr.run()
		tr.store.setFault(func(op string) fault {
			if op == "exchange" && tr.store.tasks["x"].State == task.Waiting {
				return lose
			}
			return none
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		synctest.Wait()
		tr.store.requestStop("x") // claimed in the store, but the answer has not arrived
		tr.advance(time.Second)
		tr.wantState("x", task.Stopped, task.CodeStopped)
		tr.shutDown()
	})
}

// The signal arrives while the other sequence waits for the answer that contains the
// task.
func TestStopBeforeTheAnswerToTheOtherSequenceIsNotMissed(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		store := &lateStore{fakeStore: tr.store}
		tr.r.store = store
		tr.r.Handle("job", untilCancelled)
		tr.store.putN(2, task.Spec{Kind: "job"}) // fill the first sequence
		tr.run()
		store.late(2)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.advance(100 * time.Millisecond)
		if tr.store.task("x").State != task.Running || tr.r.Counts().Running != 2 {
			t.Fatalf("the second sequence did not claim it: %+v", tr.r.Counts())
		}
		tr.store.requestStop("x")
		tr.advance(2 * time.Second)
		tr.wantState("x", task.Stopped, task.CodeStopped)
		tr.r.Close()
	})
}

func TestStopWithALostSignalArrivesWithTheNextAnswer(t *testing.T) {
	for name, within := range map[string]time.Duration{"exchange": 0, "renewal": 11 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", untilCancelled)
				tr.r.Handle("quick", noop)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.store.setFault(func(op string) fault {
					if op == "listen" && name == "renewal" { // keep the slow poll from making an exchange
						return hang
					}
					return none
				})
				tr.run()
				tr.store.mu.Lock()
				tr.store.tasks["x"].stop = true
				tr.store.mu.Unlock()
				if name == "exchange" {
					tr.store.put(task.Spec{ID: "y", Kind: "quick"})
				}
				tr.advance(within)
				tr.wantState("x", task.Stopped, task.CodeStopped)
				tr.shutDown()
			})
		})
	}
}
