package worker

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestAnExchangeWithoutAnAnswerIsRepeatedUnderTheSameNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Minute)
			return nil, nil
		})
		lost := 0
		g.store.setFault(func(op string) fault {
			if op == "exchange" && lost < 3 {
				lost++
				return lose
			}
			return none
		})
		g.store.putN(6, task.Spec{Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		for i, x := range g.store.tries[:4] {
			if x.Call != 1 || x.Sequence != 1 {
				t.Errorf("try %d has number %d in sequence %d, want 1", i+1, x.Call, x.Sequence)
			}
		}
		if c := g.r.Counts(); c.Running != 4 {
			t.Errorf("%d run, want 4", c.Running)
		}
		for id, task := range g.store.tasks {
			if task.Attempt > 1 {
				t.Errorf("task %s had %d attempts", id, task.Attempt)
			}
		}
		if len(g.store.order) != 2 {
			t.Errorf("%d tasks wait, want 2", len(g.store.order))
		}
		g.pass(3 * time.Minute)
		for id := range g.store.tasks {
			g.wantState(id, task.Succeeded, task.CodeOK)
		}
		g.end()
	})
}

func TestReportsAreKeptThroughAnOutageAndSentAgain(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 8}}})
				g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(time.Second)
					return nil, nil
				})
				g.r.Handle("bad", func(context.Context, *task.Task) ([]byte, error) {
					time.Sleep(2 * time.Second)
					return nil, errors.New("boom")
				})
				g.store.putN(3, task.Spec{Kind: "job"})
				g.store.putN(3, task.Spec{Kind: "bad"})
				g.run()
				g.store.setFault(func(string) fault { return f })
				g.pass(20 * time.Second)
				g.store.setFault(func(string) fault { return none })
				up := time.Now()
				g.pass(6 * time.Second)
				for _, id := range []string{"job-1", "job-2", "job-3"} {
					g.wantState(id, task.Succeeded, task.CodeOK)
				}
				for _, id := range []string{"bad-1", "bad-2", "bad-3"} {
					g.wantState(id, task.Failed, task.CodeError)
				}
				g.store.put(task.Spec{ID: "after", Kind: "job"})
				g.pass(2 * time.Second)
				g.wantState("after", task.Succeeded, task.CodeOK)
				for _, v := range g.store.said("after") {
					if v.at.Sub(up) > 8*time.Second {
						t.Errorf("work went on %v after the outage", v.at.Sub(up))
					}
				}
				g.end()
			})
		})
	}
}

func TestAnOutageIsLoggedOnceAndMakesNoBusyLoop(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{})
				g.r.Handle("job", untilCancelled)
				g.store.put(task.Spec{ID: "x", Kind: "job"})
				g.run()
				g.store.setFault(func(string) fault { return f })
				from := time.Now()
				g.pass(time.Minute)
				calls := g.store.callsSince(from)
				if len(calls) > 400 {
					t.Errorf("%d calls in a minute without a store", len(calls))
				}
				if n := g.log.count("ERROR calls to the store fail"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				g.store.setFault(func(string) fault { return none })
				g.pass(time.Minute)
				if n := g.log.count("WARN the store works again"); n != 1 {
					t.Errorf("its end was logged %d times", n)
				}
				if n := g.log.count("calls to the store fail"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				g.r.Close()
			})
		})
	}
}

func TestWorkResumesSoonAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.setFault(func(string) fault { return fail })
		g.pass(time.Hour)
		g.store.putQuietly(task.Spec{ID: "x", Kind: "job"})
		g.store.setFault(func(string) fault { return none })
		g.pass(5 * time.Second)
		g.wantState("x", task.Succeeded, task.CodeOK)
		g.end()
	})
}

func TestAStoreThatAnswersTooLittleIsAnOutageNotAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		short := shortStore{g.store}
		g.r.store = short
		g.r.Handle("job", noop)
		g.store.put(task.Spec{ID: "x", Kind: "job"})
		g.run()
		g.pass(30 * time.Second)
		if n := g.log.count("ERROR calls to the store fail"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		g.end()
	})
}

// shortStore loses a part of every answer.
type shortStore struct{ *fakeStore }

func (s shortStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	got, err := s.fakeStore.Exchange(ctx, x)
	got.Short = got.Short[:max(0, len(got.Short)-1)]
	return got, err
}

func TestLoneReportsAreNotDelayedAndCrowdsShareARoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 50}}})
		slow := slowStore{g.store, 10 * time.Millisecond}
		g.r.store = slow
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(5 * time.Millisecond)
			return nil, nil
		})
		g.store.putN(1000, task.Spec{Kind: "job"})
		g.run()
		g.pass(time.Second)
		if n := len(g.store.callsSince(time.Time{}, "exchange")); n > 100 {
			t.Errorf("%d round trips for 1000 tasks on 50 slots", n)
		}
		for id := range g.store.tasks {
			g.wantState(id, task.Succeeded, task.CodeOK)
		}
		begin := time.Now()
		g.store.put(task.Spec{ID: "lone", Kind: "job"})
		g.pass(40 * time.Millisecond)
		if said := g.store.said("lone"); len(said) != 1 || said[0].at.Sub(begin) > 25*time.Millisecond {
			t.Errorf("a lone task was reported %+v", said)
		}
		g.end()
		synctest.Wait()
	})
}

// slowStore takes its time for every exchange.
type slowStore struct {
	*fakeStore
	trip time.Duration
}

func (s slowStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	time.Sleep(s.trip)
	return s.fakeStore.Exchange(ctx, x)
}

func TestBothSequencesHaveAnExchangeInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 5}, "single": {Workers: 1}}})
		watched := &flightStore{fakeStore: g.store}
		g.r.store = watched
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			time.Sleep(3 * time.Millisecond)
			return nil, nil
		})
		g.r.Handle("single", noop)
		g.store.putN(500, task.Spec{Kind: "job"})
		g.store.putN(100, task.Spec{Kind: "single", Queue: "single"})
		g.run()
		g.pass(10 * time.Second)
		for id := range g.store.tasks {
			g.wantState(id, task.Succeeded, task.CodeOK)
		}
		both, sequences := watched.most, map[int]int{}
		for _, x := range g.store.exchanges {
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
		g.end()
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

// The fake store panics if a repeated exchange differs from the first.
func TestAnExchangeIsRepeatedUnchangedAndNewReportsWait(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{Queues: map[string]task.QueueConfig{task.DefaultQueue: {Workers: 12}}})
				g.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
					var n time.Duration
					fmt.Sscanf(tk.ID, "job-%d", &n)
					time.Sleep(n * 300 * time.Millisecond)
					return []byte(tk.ID), nil
				})
				g.store.putN(40, task.Spec{Kind: "job"})
				g.run()
				down := time.Now()
				g.store.setFault(func(op string) fault {
					if op == "exchange" && time.Since(down) < 5*time.Second {
						return f
					}
					return none
				})
				g.pass(time.Minute)
				repeated := 0
				for i, x := range g.store.tries {
					for _, y := range g.store.tries[:i] {
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
				for id, tk := range g.store.tasks {
					if tk.State != task.Succeeded || tk.Attempt != 1 || len(g.store.said(id)) != 1 {
						t.Errorf("task %s is %s after %d attempts and %d reports", id, tk.State, tk.Attempt, len(g.store.said(id)))
					}
				}
				g.end()
			})
		})
	}
}

func TestReportsTravelInTheSequenceOfTheirClaimAndTheLastIsMarked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{"a": {Workers: 7}, "b": {Workers: 4}}, StopGrace: 20 * time.Millisecond})
		g.r.store = slowStore{g.store, 3 * time.Millisecond}
		g.r.Handle("job", func(_ context.Context, tk *task.Task) ([]byte, error) {
			time.Sleep(time.Duration(len(tk.ID)*int(tk.Fence)%17) * time.Millisecond)
			return nil, nil
		})
		h, free := stubborn() // given up: reported while it runs
		g.r.Handle("stuck", h)
		g.store.putN(200, task.Spec{Kind: "job", Queue: "a"})
		g.store.put(task.Spec{ID: "stuck", Kind: "stuck", Queue: "b", Timeout: time.Second}, task.Spec{ID: "stuck-not", Kind: "job", Queue: "b", Timeout: time.Second})
		g.store.putN(100, task.Spec{Kind: "other", Queue: "b"}) // given back unstarted
		g.run()
		g.pass(3 * time.Second)
		sequences, claims := make(map[int64]int), make(map[int64]int)
		for i, got := range g.store.answers {
			for _, c := range got.Claimed {
				sequences[c.Fence], claims[c.Fence] = g.store.exchanges[i].Sequence, 0
			}
		}
		last := make(map[int64]int) // the exchange that ended a claim
		for i, x := range g.store.exchanges {
			for _, rep := range x.Reports {
				if sequences[rep.Fence] != x.Sequence {
					t.Errorf("%s was claimed in sequence %d and reported in sequence %d", rep.ID, sequences[rep.Fence], x.Sequence)
				}
				claims[rep.Fence]++
				last[rep.Fence] = i
			}
		}
		marked := 0
		for i, x := range g.store.exchanges {
			for _, rep := range x.Reports {
				if _, open := g.store.held[rep.Fence]; rep.Last != (last[rep.Fence] == i && !open) {
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
		g.end()
	})
}

func TestAnExchangeIsBoundedAndWhatDoesNotFitFollows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]task.QueueConfig{"big": {Workers: 1500}, "small": {Workers: 10}}})
		gate := make(chan struct{})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return nil, nil
		})
		g.r.Handle("result", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return make([]byte, task.MaxResult), nil
		})
		g.store.putN(1500, task.Spec{Kind: "job", Queue: "big"})
		g.store.putN(10, task.Spec{Kind: "result", Queue: "small"})
		g.run()
		if c := g.r.Counts(); c.Running != 1510 {
			t.Errorf("counts: %+v, want all started", c)
		}
		from := len(g.store.exchanges)
		close(gate)
		synctest.Wait()
		reports := 0
		for _, x := range g.store.exchanges[from:] { // the fake store panics over a limit
			reports = max(reports, len(x.Reports))
		}
		if reports != task.MaxReports {
			t.Errorf("at most %d reports in an exchange, want %d", reports, task.MaxReports)
		}
		for id := range g.store.tasks {
			g.wantState(id, task.Succeeded, task.CodeOK)
		}
		g.end()
	})
}

// A single report may be larger than MaxReportSize allows for several.
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
