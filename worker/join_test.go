package worker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestEveryJoinIsLogged(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		tr.r.Handle("job", noop)
		tr.store.setFault(func(string) fault { return fail })
		tr.run()
		if err := tr.shutDown(); err == nil || tr.log.count("joined") != 0 {
			t.Errorf("it could not join: %v, log: %v", err, tr.log.lines)
		}

		tr = newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 3}, "b": {Workers: 2}}})
		tr.r.Handle("job", noop)
		tr.run()
		const first, again = "INFO joined the pool slots=map[a:3 b:2]", "WARN the pool did not know this replica any more; it has joined again"
		if tr.log.count(first) != 1 || tr.log.count("joined") != 1 {
			t.Errorf("log: %v", tr.log.lines)
		}
		tr.store.forgetReplicas(false)
		tr.advance(time.Minute)
		if tr.log.count(first) != 1 || tr.log.count(again) != 1 || tr.log.count("joined") != 2 {
			t.Errorf("log: %v", tr.log.lines)
		}
		tr.shutDown()
	})
}

func TestJoinIsRetriedUntilItSucceedsWithoutABusyLoop(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang} {
		t.Run("the store "+name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{})
				tr.r.Handle("job", noop)
				tr.run()
				tr.store.setFault(func(op string) fault {
					if op == "join" {
						return f
					}
					return none
				})
				tr.store.forgetReplicas(false)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				from := time.Now()
				tr.advance(time.Minute)
				if n := len(tr.store.callsSince(from, "join", "exchange", "renew")); n > 250 {
					t.Errorf("%d calls in a minute", n)
				}
				if tr.log.count("ERROR calls to the store fail") != 1 || tr.log.count("joined again") != 0 {
					t.Errorf("log: %v", tr.log.lines)
				}
				tr.store.setFault(func(string) fault { return none })
				tr.advance(10 * time.Second)
				tr.wantState("x", task.Succeeded, task.CodeOK)
				if tr.log.count("WARN the store works again") != 1 || tr.log.count("joined again") != 1 {
					t.Errorf("log: %v", tr.log.lines)
				}
				tr.shutDown()
			})
		})
	}
}

func TestStoreThatForgetsEveryJoinIsAnOutageWithoutABusyLoop(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.store = forgetfulStore{tr.store}
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(time.Minute)
		if n := len(tr.store.callsSince(time.Time{}, "join", "exchange", "renew")); n > 250 {
			t.Errorf("%d calls in a minute", n)
		}
		if n := tr.log.count("ERROR calls to the store fail"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		tr.shutDown()
	})
}

// forgetfulStore forgets every replica that joins.
type forgetfulStore struct{ *fakeStore }

func (s forgetfulStore) Join(ctx context.Context, r task.Registration) ([]string, error) {
	_, err := s.fakeStore.Join(ctx, r)
	s.forgetReplicas(false)
	return nil, err
}

func TestConcurrentNotJoinedAnswersCauseOneJoin(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 8}}})
		slow := &slowJoinStore{fakeStore: tr.store}
		tr.r.store = slow
		tr.r.Handle("talker", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			for ctx.Err() == nil { // makes the keeper renew
				if err := tk.SetProgress(time.Now()); err != nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			return nil, context.Cause(ctx)
		})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) { // makes the sequences exchange
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		})
		tr.run()
		tr.advance(time.Second)
		for i := range 20 {
			tr.store.put(task.Spec{ID: fmt.Sprint("talker-", i), Kind: "talker"})
			tr.store.putN(100, task.Spec{Kind: "job"})
			tr.advance(time.Duration(i) * 7 * time.Millisecond)
			tr.store.forgetReplicas(false)
			tr.advance(1500 * time.Millisecond)
			if n := tr.store.joined(); n != 2+i {
				t.Fatalf("%d joins after it was forgotten %d times", n, i+1)
			}
		}
		if slow.most != 1 {
			t.Errorf("%d joins at a time", slow.most)
		}
		tr.r.Close()
	})
}

// slowJoinStore delays every Join, so that a second one could overlap.
type slowJoinStore struct {
	*fakeStore
	now, most int // under the fake's mutex
}

func (s *slowJoinStore) Join(ctx context.Context, r task.Registration) ([]string, error) {
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

func TestDrainingReplicaJoinsAgainButALeavingOneDoesNot(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Hour, StopGrace: time.Hour})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.cancel()
		tr.advance(time.Second)
		tr.store.forgetReplicas(false)
		tr.advance(20 * time.Second)
		if n := tr.store.joined(); n != 2 {
			t.Errorf("it joined %d times, want once more while it drains", n)
		}
		<-tr.done
		if reports := tr.store.verdictsOf("x"); len(reports) > 0 || len(tr.store.replicas) != 0 {
			t.Errorf("reports: %+v, replicas: %v", reports, tr.store.replicas)
		}

		// The reply to the last claim is lost. Then the replica is closed, and the pool
		// forgets it.
		tr = newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.setFault(failFirst("exchange", 1))
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		synctest.Wait()
		tr.store.forgetReplicas(false)
		begin := time.Now()
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > time.Second || tr.store.joined() != 1 {
			t.Errorf("it left after %v and %d joins, want one at once", took, tr.store.joined())
		}
		if len(tr.store.replicas) != 0 {
			t.Error("a ghost is on the list")
		}
	})
}

func TestNoRenewalArrivesAfterTheReplicaHasLeft(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.store = slowRenewStore{tr.store}
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Second)
			return nil, tk.SetProgress("half") // which makes the keeper renew at once
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		tr.advance(time.Minute)
		calls := tr.store.callsSince(time.Time{})
		if last := calls[len(calls)-1].op; last != "leave" {
			t.Errorf("the last call is %q", last)
		}
		if len(tr.store.callsSince(time.Time{}, "renew")) == 0 {
			t.Error("no renewal was under way")
		}
	})
}

// slowRenewStore delays renewals, also if the caller has given up.
type slowRenewStore struct{ *fakeStore }

func (s slowRenewStore) Renew(ctx context.Context, r task.Renewal) (task.Renewed, error) {
	time.Sleep(time.Second)
	return s.fakeStore.Renew(ctx, r)
}
