package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// admitter is a Config.Admit with an answer that the test sets. It fails the test if it is
// called concurrently.
type admitter struct {
	t       *testing.T
	refuses atomic.Pointer[string]
	active  atomic.Int32
	calls   atomic.Int64
}

func (a *admitter) admit(ctx context.Context) error {
	if a.active.Add(1) > 1 {
		a.t.Error("Admit is called concurrently")
	}
	defer a.active.Add(-1)
	a.calls.Add(1)
	if err := backoff.Sleep(ctx, time.Millisecond); err != nil {
		return err // the replica does not wait for the call when it ends
	}
	if why := a.refuses.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// answer sets the reason to refuse for; "" admits.
func (a *admitter) answer(why string) {
	if why == "" {
		a.refuses.Store(nil)
	} else {
		a.refuses.Store(&why)
	}
}

func TestNothingIsClaimedWhileAdmitRefuses(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		a.answer("cpu 97 %\n of 90 %")
		tr := newTestReplica(t, Config{Admit: a.admit})
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "before", Kind: "job"})
		tr.run()
		tr.advance(time.Minute) // slow polls included
		tr.store.put(task.Spec{ID: "later", Kind: "job"})
		tr.store.push(task.Spec{ID: "pushed", Kind: "job"})
		tr.advance(time.Minute)
		for _, x := range tr.store.exchanges {
			if len(x.Claims) > 0 || x.Idle {
				t.Fatalf("it claims, or says that it is idle: %+v", x)
			}
		}
		if len(tr.store.idle) > 0 {
			t.Error("the store would signal it for waiting tasks")
		}
		if tr.store.task("pushed").ID == "" {
			t.Error("the inbox was not admitted")
		}
		const reason = "cpu 97 % of 90 %"
		if h := tr.r.Health(); h.Refuses != reason {
			t.Errorf("its health says %q", h.Refuses)
		}
		if last := tr.store.renewals[len(tr.store.renewals)-1]; last.Refuses != reason || last.Draining {
			t.Errorf("its heartbeat is %+v", last)
		}
		if n := tr.log.count("no tasks are admitted"); n != 1 {
			t.Errorf("the refusal was logged %d times", n)
		}

		a.answer("")
		tr.advance(time.Second)
		for _, id := range []string{"before", "later", "pushed"} {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.advance(time.Second)
		if last := tr.store.renewals[len(tr.store.renewals)-1]; last.Refuses != "" {
			t.Errorf("its heartbeat still says %q", last.Refuses)
		}
		if n := tr.log.count("tasks are admitted again"); n != 1 {
			t.Errorf("the end of the refusal was logged %d times", n)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A running task continues and is reported while Admit refuses, and a drain ends the replica.
func TestRunningTasksContinueWhileAdmitRefuses(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		tr := newTestReplica(t, Config{Lease: 3 * time.Second, Admit: a.admit})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "a", Kind: "job"})
		tr.run()
		tr.advance(10 * time.Millisecond)
		a.answer("busy")
		tr.advance(time.Second)
		tr.store.put(task.Spec{ID: "b", Kind: "job"})
		tr.advance(time.Minute)
		tr.wantState("a", task.Succeeded, task.CodeOK)
		tr.wantState("b", task.Waiting, "")
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A signal that reaches the replica just before it refuses goes to another replica: the
// replica reports the queue as busy.
func TestSignalOfARefusingReplicaIsPassedOn(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		tr := newTestReplica(t, Config{Admit: a.admit})
		tr.r.Handle("job", noop)
		tr.run()
		tr.advance(600 * time.Millisecond) // just after a call of Admit
		if !tr.store.idle[tr.r.ID()] {
			t.Fatal("the replica is not idle")
		}
		a.answer("busy")
		tr.advance(150 * time.Millisecond)
		from := len(tr.store.exchanges)
		tr.store.put(task.Spec{ID: "a", Kind: "job"})
		tr.advance(10 * time.Millisecond)
		var busy []string
		for _, x := range tr.store.exchanges[from:] {
			if len(x.Claims) > 0 {
				t.Errorf("it claims: %+v", x)
			}
			busy = append(busy, x.Busy...)
		}
		if len(busy) != 1 || busy[0] != task.DefaultQueue {
			t.Errorf("it reports the busy queues %q", busy)
		}
		if len(tr.store.idle) > 0 {
			t.Error("the store would signal it again")
		}
		a.answer("")
		tr.advance(time.Second)
		tr.wantState("a", task.Succeeded, task.CodeOK)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A scheduled task that only a refusing replica knows of becomes waiting on time.
func TestRefusingReplicaPromotesDueTasks(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		tr := newTestReplica(t, Config{Admit: a.admit})
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "a", Kind: "job", Delay: 5 * time.Second})
		tr.run()
		tr.advance(time.Second)
		a.answer("busy")
		tr.advance(4100 * time.Millisecond)
		if !tr.store.task("a").ready {
			t.Error("the task is still scheduled")
		}
		tr.wantState("a", task.Waiting, "")
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestAdmitIsCalledAboutTenTimesASecondUnderLoad(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		tr := newTestReplica(t, Config{Admit: a.admit})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		})
		tr.store.putN(3_500, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(10 * time.Second)
		if n := a.calls.Load(); n < 80 || n > 100 {
			t.Errorf("Admit was called %d times in 10 s under load", n)
		}
		tr.wantState("job-3500", task.Succeeded, task.CodeOK)
		from := a.calls.Load()
		tr.advance(10 * time.Second)
		if n := a.calls.Load() - from; n > 21 {
			t.Errorf("Admit was called %d times in 10 s without load", n)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A function that fails counts as a refusal, and keeps the replica neither from renewing nor
// from ending.
func TestAdmitThatFailsRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		admit  func(context.Context) error
		reason string
		logged string
	}{
		"panic":   {func(context.Context) error { panic("boom") }, "Admit panicked: boom", "Admit panicked"},
		"hang":    {func(context.Context) error { select {} }, "Admit has not returned within 1s", "no tasks are admitted"},
		"silence": {func(context.Context) error { return errors.New("") }, "no reason given", "no tasks are admitted"},
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			inFakeTime(t, func(t *testing.T) {
				admit := tt.admit
				stop := make(chan struct{})
				if name == "hang" {
					admit = func(context.Context) error { <-stop; return nil }
				}
				tr := newTestReplica(t, Config{Admit: admit, Lease: 3 * time.Second})
				tr.r.Handle("job", noop)
				tr.store.put(task.Spec{ID: "a", Kind: "job"})
				tr.run()
				tr.advance(5 * time.Second)
				tr.wantState("a", task.Waiting, "")
				if h := tr.r.Health(); h.Refuses != tt.reason {
					t.Errorf("its health says %q", h.Refuses)
				}
				if n := len(tr.store.renewals); n < 3 {
					t.Errorf("it made %d renewals", n)
				}
				if tr.log.count(tt.logged) == 0 {
					t.Errorf("the log is %q", tr.log.lines)
				}
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
				close(stop)
				synctest.Wait()
			})
			close(release)
		})
	}
}

func TestHangingAdmitThatReturnsAdmits(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		first := true
		tr := newTestReplica(t, Config{Admit: func(ctx context.Context) error {
			if first {
				first = false
				<-ctx.Done()
				time.Sleep(2 * time.Second)
			}
			return nil
		}})
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "a", Kind: "job"})
		tr.run()
		tr.advance(2900 * time.Millisecond)
		tr.wantState("a", task.Waiting, "")
		tr.advance(200 * time.Millisecond)
		tr.wantState("a", task.Succeeded, task.CodeOK)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// A replica with more queues than one exchange can claim from finds the ready ones when it
// admits again.
func TestReplicaWithManyQueuesClaimsAgainAfterARefusal(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		a := &admitter{t: t}
		queues := map[string]task.QueueConfig{}
		for i := range 3 * task.MaxQueues {
			queues[fmt.Sprintf("q%d", i)] = task.QueueConfig{Workers: 1}
		}
		tr := newTestReplica(t, Config{Queues: queues, Admit: a.admit})
		tr.r.Handle("job", noop)
		tr.run()
		tr.advance(time.Second)
		a.answer("busy")
		tr.advance(time.Second)
		for i := range 3 * task.MaxQueues {
			tr.store.put(task.Spec{ID: fmt.Sprint("t", i), Kind: "job", Queue: fmt.Sprintf("q%d", i)})
		}
		tr.advance(time.Minute)
		tr.wantState("t0", task.Waiting, "")
		a.answer("")
		tr.advance(time.Second)
		for i := range 3 * task.MaxQueues {
			tr.wantState(fmt.Sprint("t", i), task.Succeeded, task.CodeOK)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}
