package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func manyQueues(n int) map[string]task.QueueConfig {
	queues := make(map[string]task.QueueConfig, n)
	for i := range n {
		queues[fmt.Sprint("q", i)] = task.QueueConfig{Workers: 2}
	}
	return queues
}

func TestIdleReplicaWithManyQueuesMakesOneCallASecondAndStartsTasksAtOnce(t *testing.T) {
	for _, n := range []int{task.MaxQueues + 1, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Queues: manyQueues(n)})
				tr.r.Handle("job", noop)
				tr.store.put(task.Spec{ID: "before", Kind: "job", Queue: fmt.Sprint("q", n-1)})
				tr.run()
				tr.wantState("before", task.Succeeded, task.CodeOK)
				if x := tr.store.exchanges[0]; len(x.Claims) > 0 || !x.Idle {
					t.Errorf("the first exchange claims from %d queues and is idle: %v; want it to ask which are ready", len(x.Claims), x.Idle)
				}
				tr.advance(time.Minute)
				from, exchanges := time.Now(), len(tr.store.exchanges)
				tr.advance(10*time.Minute - 1)
				if calls := len(tr.store.callsSince(from)); calls > 600 {
					t.Errorf("%d calls in ten idle minutes, want at most 600", calls)
				}
				polled := make(map[string]bool)
				for _, x := range tr.store.exchanges[exchanges:] {
					for _, c := range x.Claims {
						polled[c.Queue] = true
					}
				}
				if want := min(n, 50*task.MaxQueues); len(polled) < want {
					t.Errorf("the slow poll claimed from %d queues in ten minutes, want %d", len(polled), want)
				}
				for i := range 3 * task.MaxQueues {
					tr.store.put(task.Spec{ID: fmt.Sprint("t", i), Kind: "job", Queue: fmt.Sprint("q", i*7%n)})
				}
				synctest.Wait() // without passing time
				for i := range 3 * task.MaxQueues {
					tr.wantState(fmt.Sprint("t", i), task.Succeeded, task.CodeOK)
				}
				tr.shutDown()
			})
		})
	}
}

// With ten thousand queues an exchange may take twice as long as with some tens, but
// not a hundred times as long.
func TestExchangeDoesNotIterateOverAllQueues(t *testing.T) {
	turn := func(n int) time.Duration {
		r, err := New(newFakeStore(), Config{Queues: manyQueues(n)})
		if err != nil {
			t.Fatal(err)
		}
		r.phase, r.member.joined = serving, true
		best := time.Hour
		for range 20 {
			begin := time.Now()
			for range 50 {
				l := r.sequences[0]
				r.poll()
				if !l.prepare(time.Now()) || len(l.x.Claims) != task.MaxQueues {
					t.Fatalf("an exchange claims from %d queues", len(l.x.Claims))
				}
				l.apply(&task.Exchanged{Short: slices.Repeat([]bool{true}, task.MaxQueues), Ready: []string{"q1"}}, time.Now())
				if !l.prepare(time.Now()) || len(l.x.Claims) != 1 {
					t.Fatalf("an exchange claims from %d queues", len(l.x.Claims))
				}
				l.apply(&task.Exchanged{Short: []bool{true}}, time.Now())
				r.untilNext(time.Now())
			}
			best = min(best, time.Since(begin))
		}
		return best
	}
	few, many := turn(task.MaxQueues), turn(20_000)
	if many > 20*few+time.Millisecond {
		t.Errorf("%v with %d queues, %v with 20000", few, task.MaxQueues, many)
	}
}

func TestReadyQueueWithoutAFreeSlotIsReportedAsBusy(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"full": {Workers: 1}, "free": {Workers: 1}}})
		gate := make(chan struct{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return nil, nil
		})
		tr.r.Handle("quick", noop)
		tr.store.put(task.Spec{ID: "first", Kind: "job", Queue: "full"})
		tr.run()
		other, err := New(tr.store, Config{Queues: map[string]task.QueueConfig{"full": {Workers: 1}}, Logger: tr.r.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		other.Handle("job", noop)
		ended := make(chan error)
		go func() { ended <- other.Run(context.Background()) }()
		tr.advance(time.Second)
		tr.store.mu.Lock()
		delete(tr.store.idle, other.ID()) // only the full replica is signalled
		tr.store.mu.Unlock()
		from := len(tr.store.exchanges)
		tr.store.put(task.Spec{ID: "second", Kind: "job", Queue: "full"})
		tr.store.mu.Lock()
		tr.store.idle[other.ID()] = true
		tr.store.mu.Unlock()
		synctest.Wait()
		if x := tr.store.exchanges[from]; !slices.Equal(x.Busy, []string{"full"}) || !x.Idle || len(x.Claims) > 0 {
			t.Errorf("the replica got a full queue as ready, and its next exchange is %+v", x)
		}
		tr.wantState("second", task.Succeeded, task.CodeOK) // on the other replica

		// An exchange for the other queue lists it as busy again, so the answer does not.
		other.Close()
		<-ended
		tr.store.put(task.Spec{ID: "third", Kind: "job", Queue: "full"})
		synctest.Wait()
		from = len(tr.store.exchanges)
		tr.store.put(task.Spec{ID: "quick", Kind: "quick", Queue: "free"})
		synctest.Wait()
		if n := len(tr.store.exchanges) - from; n != 2 {
			t.Errorf("%d exchanges for one task, want one that claims and one that reports", n)
		}
		for _, got := range tr.store.answers[from:] {
			if len(got.Ready) > 0 {
				t.Errorf("%v was returned as ready again", got.Ready)
			}
		}
		from = len(tr.store.exchanges)
		close(gate)
		synctest.Wait()
		tr.wantState("third", task.Succeeded, task.CodeOK)
		if x := tr.store.exchanges[from]; len(x.Reports) != 1 || len(x.Claims) != 1 || x.Claims[0].Queue != "full" {
			t.Errorf("the exchange that reports the end does not claim the next: %+v", x)
		}
		tr.store.put(task.Spec{ID: "quick again", Kind: "quick", Queue: "free"})
		synctest.Wait()
		if x := tr.store.exchanges[len(tr.store.exchanges)-1]; len(x.Busy) > 0 {
			t.Errorf("a queue with a free slot is still named as busy: %+v", x)
		}
		tr.shutDown()
	})
}

func TestManyBusyQueuesCauseNoBusyLoop(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		const n = 3 * maxBusy
		queues := map[string]task.QueueConfig{"free": {Workers: 1}}
		for i := range n {
			queues[fmt.Sprint("q", i)] = task.QueueConfig{Workers: 1}
		}
		tr := newTestReplica(t, Config{Queues: queues})
		gate := make(chan struct{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return nil, nil
		})
		tr.r.Handle("quick", noop)
		for i := range n {
			for j := range 2 {
				tr.store.put(task.Spec{ID: fmt.Sprint(i, "-", j), Kind: "job", Queue: fmt.Sprint("q", i)})
			}
		}
		tr.run()
		tr.advance(10 * time.Second)
		if c := tr.r.Counts(); c.Running != n {
			t.Fatalf("counts: %+v, want every queue full", c)
		}
		from := time.Now()
		tr.advance(time.Minute)
		if calls := len(tr.store.callsSince(from, "exchange")); calls > 700 {
			t.Errorf("%d exchanges in a minute", calls)
		}
		tr.store.put(task.Spec{ID: "quick", Kind: "quick", Queue: "free"})
		tr.advance(3 * time.Second)
		tr.wantState("quick", task.Succeeded, task.CodeOK)
		close(gate)
		tr.advance(time.Second)
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestDrainReportsReadyQueuesAsBusy(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{DrainTimeout: time.Hour})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		tr.store.put(task.Spec{ID: "first", Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		tr.cancel()
		synctest.Wait()
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "q:"+task.DefaultQueue) // sent just before the drain began
		tr.store.mu.Unlock()
		synctest.Wait()
		x := tr.store.exchanges[len(tr.store.exchanges)-1]
		if !slices.Equal(x.Busy, []string{task.DefaultQueue}) || !x.Closed || x.Idle || len(x.Claims) > 0 {
			t.Errorf("the last exchange is %+v", x)
		}
		tr.advance(0)
		<-tr.done
		tr.wantState("first", task.Succeeded, task.CodeOK)
	})
}

func TestDrainReportsQueuesToClaimFromAsBusy(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 1}, "b": {Workers: 1}}})
		store := &lateStore{fakeStore: tr.store}
		tr.r.store = store
		tr.r.Handle("job", noop)
		tr.run()
		store.late(1)
		tr.store.put(task.Spec{ID: "x", Kind: "job", Queue: "a"})
		tr.advance(100 * time.Millisecond)
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "q:b") // while the answer to the claim from a is pending
		tr.store.mu.Unlock()
		synctest.Wait()
		tr.shutDown()
		var busy []string
		for _, x := range tr.store.exchanges {
			busy = append(busy, x.Busy...)
		}
		if !slices.Equal(busy, []string{"b"}) {
			t.Errorf("queues named as busy: %v", busy)
		}
		tr.wantState("x", task.Waiting, task.CodeReleased)
	})
}

func TestReadyQueueIsClaimedFromByTheFreeSequence(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 4}, "b": {Workers: 4}}})
		store := &lateStore{fakeStore: tr.store}
		tr.r.store = store
		tr.r.Handle("job", noop)
		tr.run()
		store.late(1)
		tr.store.put(task.Spec{ID: "x", Kind: "job", Queue: "a"})
		tr.advance(100 * time.Millisecond)
		tr.store.put(task.Spec{ID: "y", Kind: "job", Queue: "b"})
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "q:b")
		tr.store.mu.Unlock()
		synctest.Wait()
		tr.wantState("y", task.Succeeded, task.CodeOK)
		tr.advance(time.Second)
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

func TestEarliestDueTimeCountsUntilAnExchangeAfterIt(t *testing.T) {
	start := time.Now()
	at := func(s time.Duration) time.Time { return start.Add(s * time.Second) }
	var s queues
	for i, c := range []struct {
		sent, now time.Time
		next      time.Duration
		want      time.Time
	}{
		{at(0), at(0), 0, time.Time{}},
		{at(0), at(1), time.Nanosecond, at(1).Add(time.Millisecond)},
		{at(2), at(2), 10 * time.Second, at(12)}, // the earlier time has passed
		{at(3), at(3), 5 * time.Second, at(8)},
		{at(2), at(4), 20 * time.Second, at(8)}, // a late answer to the other sequence
		{at(5), at(5), 0, at(8)},                // a late answer, or the task was stopped
		{at(8), at(8), 0, time.Time{}},
	} {
		if s.setNextDue(c.next, time.Millisecond, c.sent, c.now); !s.nextDue.Equal(c.want) {
			t.Errorf("after answer %d it is due at %v, want %v", i, s.nextDue.Sub(start), c.want.Sub(start))
		}
	}
}

// Two sequences share the queues: a ready queue that one cannot serve must reach the
// other.
func TestNoSignalIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 1}, "b": {Workers: 2}, "c": {Workers: 5}}})
		tr.r.store = &jitterStore{fakeStore: tr.store}
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Duration(len(tk.ID)%4) * time.Millisecond)
			return nil, nil
		})
		tr.run()
		for i := range 3000 {
			queue := []string{"a", "b", "c"}[i*i%3]
			id := fmt.Sprint(i * i)
			tr.store.put(task.Spec{ID: id, Kind: "job", Queue: queue})
			tr.advance(time.Duration(i*7919%13) * time.Millisecond)
		}
		tr.advance(200 * time.Millisecond) // much less than until the slow poll
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestReadyQueuesOfALostAnswerAreRequestedAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: manyQueues(task.MaxQueues + 1)})
		tr.r.Handle("job", noop)
		lost := 0
		tr.store.setFault(func(op string) fault {
			if op == "exchange" && lost < 2 {
				lost++
				return lose
			}
			return none
		})
		tr.store.put(task.Spec{ID: "x", Kind: "job", Queue: "q1"})
		tr.run()
		tr.advance(time.Second)
		tr.wantState("x", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}

// lateStore delays the answers to one sequence by half a second after the step.
type lateStore struct {
	*fakeStore
	sequence int // under the fake's mutex
}

func (s *lateStore) late(sequence int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence = sequence
}

func (s *lateStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	got, err := s.fakeStore.Exchange(ctx, x)
	s.mu.Lock()
	late := s.sequence == x.Sequence
	s.mu.Unlock()
	if late {
		time.Sleep(500 * time.Millisecond)
	}
	return got, err
}

// jitterStore takes up to 8 ms for an exchange, before or after the step.
type jitterStore struct {
	*fakeStore
	n int // under the fake's mutex
}

func (s *jitterStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	s.mu.Lock()
	s.n++
	before, after := time.Duration(s.n*31%5), time.Duration(s.n*17%5)
	s.mu.Unlock()
	time.Sleep(before * time.Millisecond)
	got, err := s.fakeStore.Exchange(ctx, x)
	time.Sleep(after * time.Millisecond)
	return got, err
}
