package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// fn gets the events of an entry one by one. The entry is acknowledged after the last
// one.
func TestEntryIsAcknowledgedAfterAllItsEvents(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{Redeliver: time.Minute})
		var got []string
		step := make(chan struct{})
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			<-step
			return nil
		})
		s.emitEntry(Event{ID: "a"}, Event{ID: "b"}, Event{ID: "c"})
		s.emit(Event{ID: "d"})
		for i, want := range []int{2, 2, 2, 1, 0} {
			advance(2 * ackInterval)
			if n := s.pendingIn("g"); n != want {
				t.Errorf("%d entries not acknowledged after %d events, want %d", n, i, want)
			}
			if i < 4 {
				step <- struct{}{}
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, got); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestEntryWithAFailedEventIsRedeliveredAsAWhole(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{Redeliver: time.Minute})
		var got []string
		fails := 2
		stop := subscribe(t, p, func(_ context.Context, e Event) error {
			got = append(got, e.ID)
			if e.ID == "bad" && fails > 0 {
				fails--
				return errors.New("boom")
			}
			return nil
		})
		s.emitEntry(Event{ID: "a"}, Event{ID: "bad"}, Event{ID: "c"})
		s.emit(Event{ID: "d"})
		advance(10 * time.Second)
		if n := s.pendingIn("g"); n != 1 {
			t.Errorf("%d entries not acknowledged, want the one with the failed event", n)
		}
		advance(5 * time.Minute)
		want := []string{"a", "bad", "c", "d", "a", "bad", "c", "a", "bad", "c"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if n := s.pendingIn("g"); n != 0 {
			t.Errorf("%d entries not acknowledged", n)
		}
		stop()
	})
}

// The context ends between two events of an entry. Events that were accepted are
// delivered again together with the others.
func TestIncompleteEntryIsNotAcknowledged(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		stop := subscribe(t, p, func(ctx context.Context, _ Event) error {
			<-ctx.Done()
			return nil
		})
		s.emitEntry(Event{ID: "a"}, Event{ID: "b"})
		synctest.Wait()
		stop()
		if n := s.pendingIn("g"); n != 1 {
			t.Errorf("%d entries not acknowledged, want 1", n)
		}
	})
}

// Fifty events of one second each take longer than Redeliver and are delivered once.
func TestSlowEntryIsHeld(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{Redeliver: 20 * time.Second})
		var mu sync.Mutex
		seen := map[string]int{}
		work := func(_ context.Context, e Event) error {
			mu.Lock()
			seen[e.ID]++
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		}
		stop, stopOther := subscribe(t, p, work), subscribe(t, p, work)
		for n := range 4 {
			var entry []Event
			for i := range 50 {
				entry = append(entry, Event{ID: fmt.Sprint(n, ".", i)})
			}
			s.emitEntry(entry...)
		}
		advance(5 * time.Minute)
		for id, n := range seen {
			if n != 1 {
				t.Errorf("event %s was delivered %d times", id, n)
			}
		}
		if len(seen) != 200 || s.pendingIn("g") != 0 {
			t.Errorf("delivered %d of 200, %d entries not acknowledged", len(seen), s.pendingIn("g"))
		}
		stop()
		stopOther()
	})
}
