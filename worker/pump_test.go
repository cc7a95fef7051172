package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestALostClaimReplyIsAskedForAgainUnderTheSameNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(ctx context.Context, task *Task) ([]byte, error) {
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
		g.store.putN(6, Spec{Kind: "job"})
		g.run()
		g.pass(5 * time.Second)
		for i, c := range g.store.claims[:4] {
			if c.Call != 1 {
				t.Errorf("try %d has number %d, want 1", i+1, c.Call)
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
			g.wantState(id, Succeeded, CodeOK)
		}
		g.end()
	})
}

func TestReportsAreKeptThroughAnOutageAndSentAgain(t *testing.T) {
	for name, f := range map[string]fault{"refuses": fail, "hangs": hang, "loses its replies": lose} {
		t.Run("the store "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{Queues: map[string]QueueConfig{DefaultQueue: {Workers: 8}}})
				g.r.Handle("job", func(context.Context, *Task) ([]byte, error) {
					time.Sleep(time.Second)
					return nil, nil
				})
				g.r.Handle("bad", func(context.Context, *Task) ([]byte, error) {
					time.Sleep(2 * time.Second)
					return nil, errors.New("boom")
				})
				g.store.putN(3, Spec{Kind: "job"})
				g.store.putN(3, Spec{Kind: "bad"})
				g.run()
				g.store.setFault(func(string) fault { return f })
				g.pass(20 * time.Second)
				g.store.setFault(func(string) fault { return none })
				up := time.Now()
				g.pass(6 * time.Second)
				for _, id := range []string{"job-1", "job-2", "job-3"} {
					g.wantState(id, Succeeded, CodeOK)
				}
				for _, id := range []string{"bad-1", "bad-2", "bad-3"} {
					g.wantState(id, Failed, CodeError)
				}
				g.store.put(Spec{ID: "after", Kind: "job"})
				g.pass(2 * time.Second)
				g.wantState("after", Succeeded, CodeOK)
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
				g.store.put(Spec{ID: "x", Kind: "job"})
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
		g.store.mu.Lock()
		g.store.add(Spec{ID: "x", Kind: "job"})
		delete(g.store.markers, DefaultQueue) // it was popped, and the reply lost
		g.store.fault = func(string) fault { return none }
		g.store.mu.Unlock()
		g.pass(5 * time.Second)
		g.wantState("x", Succeeded, CodeOK)
		g.end()
	})
}

func TestAStoreThatAnswersTooLittleIsAnOutageNotAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		short := shortStore{g.store}
		g.r.store = short
		g.r.Handle("job", noop)
		g.store.put(Spec{ID: "x", Kind: "job"})
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

func (s shortStore) Exchange(ctx context.Context, reports []Report, claims []Claim) ([]Verdict, []Claimed, error) {
	v, c, err := s.fakeStore.Exchange(ctx, reports, claims)
	return v, c[:max(0, len(c)-1)], err
}

func TestLoneReportsAreNotDelayedAndCrowdsShareARoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Queues: map[string]QueueConfig{DefaultQueue: {Workers: 50}}})
		slow := slowStore{g.store, 10 * time.Millisecond}
		g.r.store = slow
		g.r.Handle("job", func(context.Context, *Task) ([]byte, error) {
			time.Sleep(5 * time.Millisecond)
			return nil, nil
		})
		g.store.putN(1000, Spec{Kind: "job"})
		g.run()
		g.pass(time.Second)
		if n := len(g.store.callsSince(time.Time{}, "exchange")); n > 60 {
			t.Errorf("%d round trips for 1000 tasks on 50 slots", n)
		}
		for id := range g.store.tasks {
			g.wantState(id, Succeeded, CodeOK)
		}
		begin := time.Now()
		g.store.put(Spec{ID: "lone", Kind: "job"})
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

func (s slowStore) Exchange(ctx context.Context, reports []Report, claims []Claim) ([]Verdict, []Claimed, error) {
	time.Sleep(s.trip)
	return s.fakeStore.Exchange(ctx, reports, claims)
}
