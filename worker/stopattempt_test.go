package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAStopReachesTheHandlerThroughTheDoorbell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.store.putN(3, task.Spec{Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		from := time.Now()
		g.store.requestStop("job-2")
		synctest.Wait()
		g.wantState("job-2", task.Stopped, task.CodeStopped)
		g.wantState("job-1", task.Running, "")
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
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.cancel()
		g.pass(time.Minute)
		g.store.requestStop("x")
		synctest.Wait()
		g.wantState("x", task.Stopped, task.CodeStopped)
		<-g.done
	})
}

func TestAStopThatCrossesTheClaimsReplyIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", untilCancelled)
		g.run()
		g.store.setFault(func(op string) fault {
			if op == "exchange" && g.store.tasks["x"].State == task.Waiting {
				return lose
			}
			return none
		})
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		synctest.Wait()
		g.store.requestStop("x") // claimed, says the store; the replica does not know yet
		g.pass(time.Second)
		g.wantState("x", task.Stopped, task.CodeStopped)
		g.end()
	})
}

// The doorbell rings while the other sequence waits for the answer that brings the task.
func TestAStopThatCrossesTheAnswerToTheOtherSequenceIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		store := &lateStore{fakeStore: g.store}
		g.r.store = store
		g.r.Handle("job", untilCancelled)
		g.store.putN(2, task.Spec{Kind: "job"}) // fill the first sequence
		g.run()
		store.late(2)
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.pass(100 * time.Millisecond)
		if g.store.task("x").State != task.Running || g.r.Counts().Running != 2 {
			t.Fatalf("the second sequence did not claim it: %+v", g.r.Counts())
		}
		g.store.requestStop("x")
		g.pass(2 * time.Second)
		g.wantState("x", task.Stopped, task.CodeStopped)
		g.r.Close()
	})
}

func TestAStopWhoseDoorbellIsLostIsLearntFromTheNextAnswer(t *testing.T) {
	for name, within := range map[string]time.Duration{"exchange": 0, "renewal": 11 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				g.r.Handle("job", untilCancelled)
				g.r.Handle("quick", noop)
				g.store.put(task.Spec{ID: "x", Kind: "job"})
				g.store.setFault(func(op string) fault {
					if op == "listen" && name == "renewal" { // nor does the slow poll make an exchange
						return hang
					}
					return none
				})
				g.run()
				g.store.mu.Lock()
				g.store.tasks["x"].stop = true
				g.store.mu.Unlock()
				if name == "exchange" {
					g.store.put(task.Spec{ID: "y", Kind: "quick"})
				}
				g.pass(within)
				g.wantState("x", task.Stopped, task.CodeStopped)
				g.end()
			})
		})
	}
}
