package worker

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestExchangeWithoutAnAnswerIsRepeatedUnderTheSameNumber(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		lost := 0
		tr.store.setFault(func(op string) fault {
			if op == "exchange" && lost < 3 {
				lost++
				return lose
			}
			return none
		})
		tr.store.putN(6, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(5 * time.Second)
		for i, x := range tr.store.tries[:4] {
			if x.Call != 1 || x.Sequence != 1 {
				t.Errorf("try %d has number %d in sequence %d, want 1", i+1, x.Call, x.Sequence)
			}
		}
		if c := tr.r.Counts(); c.Running != 4 {
			t.Errorf("%d run, want 4", c.Running)
		}
		for id, task := range tr.store.tasks {
			if task.Attempt > 1 {
				t.Errorf("task %s had %d attempts", id, task.Attempt)
			}
		}
		if len(tr.store.order) != 2 {
			t.Errorf("%d tasks wait, want 2", len(tr.store.order))
		}
		tr.advance(3 * time.Minute)
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

func TestSingleReportsAreNotDelayedAndManyShareARoundTrip(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 50}}})
		slow := slowStore{tr.store, 10 * time.Millisecond}
		tr.r.store = slow
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(5 * time.Millisecond)
			return nil, nil
		})
		tr.store.putN(1000, task.Spec{Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		if n := len(tr.store.callsSince(time.Time{}, "exchange")); n > 100 {
			t.Errorf("%d round trips for 1000 tasks on 50 slots", n)
		}
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		begin := time.Now()
		tr.store.put(task.Spec{ID: "lone", Kind: "job"})
		tr.advance(40 * time.Millisecond)
		if reports := tr.store.verdictsOf("lone"); len(reports) != 1 || reports[0].at.Sub(begin) > 25*time.Millisecond {
			t.Errorf("a lone task was reported %+v", reports)
		}
		tr.shutDown()
		synctest.Wait()
	})
}

// slowStore delays every exchange.
type slowStore struct {
	*fakeStore
	trip time.Duration
}

func (s slowStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	time.Sleep(s.trip)
	return s.fakeStore.Exchange(ctx, x)
}

func TestBothSequencesHaveAnExchangeInFlight(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 5}, "single": {Workers: 1}}})
		watched := &flightStore{fakeStore: tr.store}
		tr.r.store = watched
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(3 * time.Millisecond)
			return nil, nil
		})
		tr.r.Handle("single", noop)
		tr.store.putN(500, task.Spec{Kind: "job"})
		tr.store.putN(100, task.Spec{Kind: "single", Queue: "single"})
		tr.run()
		tr.advance(10 * time.Second)
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		both, sequences := watched.most, map[int]int{}
		for _, x := range tr.store.exchanges {
			sequences[x.Sequence]++
			for _, c := range x.Claims {
				if limit := map[string][]int{task.DefaultQueue: {3, 2}, "single": {1, 0}}[c.Queue][x.Sequence-1]; c.N > limit {
					t.Errorf("sequence %d asks %s for %d tasks", x.Sequence, c.Queue, c.N)
				}
			}
		}
		if both != 2 || sequences[2] < sequences[1]/2 {
			t.Errorf("at most %d exchanges in flight at a time, %d and %d in the sequences; want both sequences at work", both, sequences[1], sequences[2])
		}
		tr.shutDown()
	})
}

// flightStore takes 5 ms for an exchange and counts those in flight.
type flightStore struct {
	*fakeStore
	now, most int // under the fake's mutex
}

func (s *flightStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	return s.fakeStore.Exchange(ctx, x)
}

// The fake store panics if a repeated exchange differs from the first one.
func TestExchangeIsRepeatedUnchangedAndNewReportsWait(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 12}}})
				tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
					var n time.Duration
					fmt.Sscanf(tk.ID, "job-%d", &n)
					time.Sleep(n * 300 * time.Millisecond)
					return []byte(tk.ID), nil
				})
				tr.store.putN(40, task.Spec{Kind: "job"})
				tr.run()
				down := time.Now()
				tr.store.setFault(func(op string) fault {
					if op == "exchange" && time.Since(down) < 5*time.Second {
						return f
					}
					return none
				})
				tr.advance(time.Minute)
				repeated := 0
				for i, x := range tr.store.tries {
					for _, y := range tr.store.tries[:i] {
						if x.Sequence == y.Sequence && x.Call == y.Call {
							repeated++
							if !reflect.DeepEqual(x, y) {
								t.Fatalf("call %d differs from itself:\n%+v\n%+v", x.Call, x, y)
							}
						}
					}
				}
				if repeated < 2 {
					t.Errorf("%d repetitions", repeated)
				}
				for id, tk := range tr.store.tasks {
					if tk.State != task.Succeeded || tk.Attempt != 1 || len(tr.store.verdictsOf(id)) != 1 {
						t.Errorf("task %s is %s after %d attempts and %d reports", id, tk.State, tk.Attempt, len(tr.store.verdictsOf(id)))
					}
				}
				tr.shutDown()
			})
		})
	}
}

func TestReportsUseTheSequenceOfTheirClaimAndTheLastIsMarked(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 7}, "b": {Workers: 4}}, StopGrace: 20 * time.Millisecond})
		tr.r.store = slowStore{tr.store, 3 * time.Millisecond}
		tr.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Duration(len(tk.ID)*int(tk.Fence)%17) * time.Millisecond)
			return nil, nil
		})
		h, free := ignoresContext() // given up, so it is reported while it runs
		tr.r.Handle("stuck", h)
		tr.store.putN(200, task.Spec{Kind: "job", Queue: "a"})
		tr.store.put(task.Spec{ID: "stuck", Kind: "stuck", Queue: "b", Timeout: time.Second}, task.Spec{ID: "stuck-not", Kind: "job", Queue: "b", Timeout: time.Second})
		tr.store.putN(100, task.Spec{Kind: "other", Queue: "b"}) // released unstarted
		tr.run()
		tr.advance(3 * time.Second)
		sequences, claims := make(map[int64]int), make(map[int64]int)
		for i, got := range tr.store.answers {
			for _, c := range got.Claimed {
				sequences[c.Fence], claims[c.Fence] = tr.store.exchanges[i].Sequence, 0
			}
		}
		last := make(map[int64]int) // the exchange that ended a claim
		for i, x := range tr.store.exchanges {
			for _, rep := range x.Reports {
				if sequences[rep.Fence] != x.Sequence {
					t.Errorf("%s was claimed in sequence %d and reported in sequence %d", rep.ID, sequences[rep.Fence], x.Sequence)
				}
				claims[rep.Fence]++
				last[rep.Fence] = i
			}
		}
		marked := 0
		for i, x := range tr.store.exchanges {
			for _, rep := range x.Reports {
				if _, open := tr.store.held[rep.Fence]; rep.Last != (last[rep.Fence] == i && !open) {
					t.Errorf("report of %s of claim %d in exchange %d: Last is %v, and the last is in exchange %d", rep.ID, rep.Fence, i, rep.Last, last[rep.Fence])
				}
				if rep.Last {
					marked++
				}
			}
		}
		if marked < 100 || len(claims) < 20 {
			t.Errorf("%d reports of %d claims are marked", marked, len(claims))
		}
		free()
		tr.shutDown()
	})
}

func TestExchangeIsBoundedAndTheRestFollows(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"big": {Workers: 1500}, "small": {Workers: 10}}})
		gate := make(chan struct{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return nil, nil
		})
		tr.r.Handle("result", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return make([]byte, task.MaxResult), nil
		})
		tr.store.putN(1500, task.Spec{Kind: "job", Queue: "big"})
		tr.store.putN(10, task.Spec{Kind: "result", Queue: "small"})
		tr.run()
		if c := tr.r.Counts(); c.Running != 1510 {
			t.Errorf("counts: %+v, want all started", c)
		}
		from := len(tr.store.exchanges)
		close(gate)
		synctest.Wait()
		reports := 0
		for _, x := range tr.store.exchanges[from:] { // the fake store panics if a limit is exceeded
			reports = max(reports, len(x.Reports))
		}
		if reports != task.MaxReports {
			t.Errorf("at most %d reports in an exchange, want %d", reports, task.MaxReports)
		}
		for id := range tr.store.tasks {
			tr.wantState(id, task.Succeeded, task.CodeOK)
		}
		tr.shutDown()
	})
}

// A single report may be larger than MaxReportSize.
func TestReportsAreSplitBySize(t *testing.T) {
	r, err := New(newFakeStore(), Config{Queues: map[string]task.QueueConfig{"q": {Workers: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	l, c := r.sequences[0], &claim{sequence: r.sequences[0], q: r.queues.byName["q"], unacknowledged: 5}
	for _, size := range []int{task.MaxReportSize + 1, 1, task.MaxReportSize - 1, 1, task.MaxReportSize} {
		l.send(&attempt{claim: c}, task.Report{Result: make([]byte, size)})
	}
	for _, want := range []int{1, 2, 1, 1} {
		if !l.prepare(time.Now()) || len(l.x.Reports) != want {
			t.Errorf("%d reports, want %d", len(l.x.Reports), want)
		}
		if last := l.x.Reports[0].Last; last != (c.unacknowledged == want) {
			t.Errorf("Last is %v with %d open", last, c.unacknowledged)
		}
		l.apply(&task.Exchanged{Verdicts: slices.Repeat([]task.Verdict{task.Accepted}, want), Short: make([]bool, len(l.x.Claims))}, time.Now())
	}
}
