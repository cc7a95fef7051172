package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// subscribe runs Subscribe until the test ends or stop is called.
func subscribe(t *testing.T, p *Pool, fn func(context.Context, Event) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Subscribe(ctx, "g", fn) }()
	synctest.Wait()
	advance(time.Second) // the read that creates the group
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Subscribe: %v", err)
		}
	}
}

func TestAcceptedEventIsAcknowledged(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		var got []string
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			return nil
		})
		var events []Event
		var want []string
		for i := range 250 {
			events = append(events, Event{ID: fmt.Sprint(i)})
			want = append(want, fmt.Sprint(i))
		}
		s.emit(events...)
		synctest.Wait()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if n := s.pendingIn("g"); n != 0 {
			t.Errorf("%d events not acknowledged", n)
		}
		if acks := s.calls("ack"); acks > 4 {
			t.Errorf("%d calls to acknowledge 250 events", acks)
		}
		stop()
		if len(s.groups["g"].left) != 1 {
			t.Error("the consumer did not leave its group")
		}
	})
}

func TestFailedEventIsDeliveredAgain(t *testing.T) {
	for name, refuse := range map[string]func() error{
		"error": func() error { return errors.New("boom") },
		"panic": func() error { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				s := newFakeStore()
				p := newTestPool(t, s, Config{Redeliver: time.Minute})
				var got []string
				var times []time.Time
				stop := subscribe(t, p, func(_ context.Context, e Event) error {
					got = append(got, e.ID)
					if e.ID != "bad" {
						return nil
					}
					times = append(times, time.Now())
					if len(times) < 3 {
						return refuse()
					}
					return nil
				})
				s.emit(Event{ID: "bad"})
				s.emit(Event{ID: "good"})
				advance(5 * time.Minute)
				if diff := cmp.Diff([]string{"bad", "good", "bad", "bad"}, got); diff != "" {
					t.Error(diff)
				}
				for i := range times[1:] {
					if d := times[i+1].Sub(times[i]); d < time.Minute || d > time.Minute+2*eventWait {
						t.Errorf("delivered again after %v", d)
					}
				}
				if n := s.pendingIn("g"); n != 0 {
					t.Errorf("%d events not acknowledged", n)
				}
				stop()
			})
		})
	}
}

func TestConsumerSlowsDownAfterFailures(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		calls := 0
		stop := subscribe(t, p, func(context.Context, Event) error {
			calls++
			return errors.New("down")
		})
		for range 10_000 {
			s.emit(Event{ID: "x"})
		}
		advance(time.Minute)
		if calls < 20 || calls > 100 {
			t.Errorf("tried %d events in a minute", calls)
		}
		stop()
	})
}

func TestEventsOfADeadConsumerGoToAnotherConsumer(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		// One consumer reads and dies without acknowledging.
		if _, _, err := s.ReadSubscription(t.Context(), "g", "dead", 10, time.Minute, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		s.emit(Event{ID: "held"})
		if _, _, err := s.ReadSubscription(t.Context(), "g", "dead", 10, time.Minute, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		held := time.Now()
		var got []string
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			if d := time.Since(held); d < defaultRedeliver {
				t.Errorf("taken over after %v", d)
			}
			return nil
		})
		advance(defaultRedeliver + 2*eventWait)
		if diff := cmp.Diff([]string{"held"}, got); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestTrimmedEventsAreReportedToTheGroup(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		reported := map[string]int{}
		p := newTestPool(t, s, Config{OnTrimmed: func(group string) { reported[group]++ }})
		var got []string
		fn := func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			return nil
		}
		subscribe(t, p, fn)()
		for _, id := range []string{"one", "two", "three"} {
			s.emit(Event{ID: id})
		}
		s.trim(2)
		stop := subscribe(t, p, fn)
		if diff := cmp.Diff([]string{"three"}, got); diff != "" {
			t.Error(diff)
		}
		if reported["g"] != 1 {
			t.Errorf("reported %v, want once", reported)
		}
		stop()
	})
}

func TestSubscribeWaitsForAnOutageToEnd(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		reads := 0
		s.readErr = func() error {
			if reads++; reads > 1 && reads < 20 {
				return errors.New("down")
			}
			return nil
		}
		var got []string
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			return nil
		})
		s.emit(Event{ID: "one"})
		advance(time.Minute)
		if diff := cmp.Diff([]string{"one"}, got); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestSubscribeReturnsPermanentErrors(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		fn := func(context.Context, Event) error { return nil }
		down := errors.New("down")
		s.readErr = func() error { return down }
		if err := p.Subscribe(t.Context(), "g", fn); !errors.Is(err, down) {
			t.Errorf("first answer: got %v", err)
		}
		reads := 0
		s.readErr = func() error {
			if reads++; reads > 1 {
				return task.ErrSchema
			}
			return nil
		}
		if err := p.Subscribe(t.Context(), "g", fn); !errors.Is(err, ErrSchema) {
			t.Errorf("later: got %v", err)
		}
		wantFields(t, p.Subscribe(t.Context(), "a b", fn), "group")
		wantFields(t, p.Subscribe(t.Context(), "g", nil), "fn")
		_, err := p.SubscriptionLag(t.Context(), "")
		wantFields(t, err, "group")
	})
}

func TestBrokenEventIsDeliveredAndAnEntryWithoutATaskSkipped(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		var log bytes.Buffer
		p := newTestPool(t, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		got := map[string]error{}
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got[e.ID] = e.Broken
			return nil
		})
		broken := errors.New("field at is unreadable")
		s.emit(Event{ID: "a"}, Event{ID: "bad", Broken: broken}, Event{Broken: errors.New("field id is missing")}, Event{ID: "b"})
		advance(2 * defaultRedeliver)
		if want := map[string]error{"a": nil, "bad": broken, "b": nil}; !maps.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
		if n := s.pendingIn("g"); n != 0 {
			t.Errorf("%d events not acknowledged", n)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "field id is missing") {
			t.Errorf("log: %q, want one line about the entry without a task", log.String())
		}
		stop()
	})
}

func TestGroupFarBehindIsLoggedOnce(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		for kept, warned := range map[int]int{20: 1, 1000: 0} {
			s := newFakeStore()
			s.maxEvents = kept
			var log bytes.Buffer
			p := newTestPool(t, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			stop := subscribe(t, p, func(context.Context, Event) error {
				time.Sleep(lagEvery / firstReadBatch)
				return nil
			})
			s.emit(slices.Repeat([]Event{{ID: "x"}}, 30)...)
			advance(5 * lagEvery)
			if n := strings.Count(log.String(), "far behind"); n != warned {
				t.Errorf("of %d events kept: %d warnings, want %d\n%s", kept, n, warned, log.String())
			}
			stop()
		}
	})
}

// A consumer must not hold more events than it can process before another consumer
// takes them over.
func TestSlowConsumerReadsSmallBatches(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{Redeliver: 20 * time.Second})
		seen := map[string]int{}
		work := func(_ context.Context, e Event) error {
			seen[e.Cursor]++
			time.Sleep(time.Second)
			return nil
		}
		stop := subscribe(t, p, work)
		for range 200 {
			s.emit(Event{ID: "x"})
		}
		advance(time.Minute)
		if n := s.pendingIn("g"); n > 6 {
			t.Errorf("holds %d events of a second each", n)
		}
		advance(4 * time.Minute)
		for c, n := range seen {
			if n != 1 {
				t.Errorf("event %s was delivered %d times", c, n)
			}
		}
		if len(seen) != 200 {
			t.Errorf("delivered %d of 200", len(seen))
		}
		stop()
	})
}

func TestEventAcceptedAtTheEndOfTheContextIsAcknowledged(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		stop := subscribe(t, p, func(ctx context.Context, _ Event) error {
			<-ctx.Done()
			return nil
		})
		s.emit(Event{ID: "one"})
		s.emit(Event{ID: "two"})
		synctest.Wait()
		stop()
		if n := s.pendingIn("g"); n != 1 {
			t.Errorf("%d events not acknowledged, want only the one that was not begun", n)
		}
	})
}

// lateContext is a context whose deadline passes a moment before it ends.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// untilDeadline returns a lateContext and a store whose reads fail at its deadline,
// like those of a driver that sets the deadline on the socket.
func untilDeadline(t *testing.T) (context.Context, *fakeStore) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
	t.Cleanup(cancel)
	late := lateContext{ctx, time.Now().Add(time.Second)}
	s := newFakeStore()
	s.readErr = func() error {
		time.Sleep(time.Until(late.deadline))
		return os.ErrDeadlineExceeded
	}
	return late, s
}

func TestDeadlineThatPassesInTheStoreFirstIsNoOutage(t *testing.T) {
	for name, read := range map[string]func(context.Context, *Pool, *fakeStore){
		"Subscribe": func(ctx context.Context, p *Pool, s *fakeStore) {
			if err := p.Subscribe(ctx, "g", func(context.Context, Event) error { return nil }); err != nil {
				t.Errorf("Subscribe: %v", err)
			}
		},
		"Subscribe that has begun": func(ctx context.Context, p *Pool, s *fakeStore) {
			fails, reads := s.readErr, 0
			s.readErr = func() error {
				if reads++; reads == 1 {
					return nil
				}
				return fails()
			}
			if err := p.Subscribe(ctx, "g", func(context.Context, Event) error { return nil }); err != nil {
				t.Errorf("Subscribe: %v", err)
			}
		},
		"Events": func(ctx context.Context, p *Pool, _ *fakeStore) {
			for _, err := range p.Events(ctx, "") {
				t.Errorf("Events: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				ctx, s := untilDeadline(t)
				var log bytes.Buffer
				read(ctx, newTestPool(t, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}), s)
				if log.Len() > 0 {
					t.Error(log.String())
				}
			})
		})
	}
}
