package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// follow collects the results of Events: ids, and "trimmed" or "error" for errors.
func follow(ctx context.Context, p *Pool, after string) (got *[]string, ended chan struct{}) {
	got, ended = new([]string), make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range p.Events(ctx, after) {
			var trimmed *TrimmedError
			switch {
			case errors.As(err, &trimmed):
				*got = append(*got, "trimmed")
			case err != nil:
				*got = append(*got, "error")
			default:
				*got = append(*got, e.ID)
			}
		}
	}()
	return got, ended
}

func TestEventsStartAfterTheGivenCursor(t *testing.T) {
	for after, want := range map[string][]string{
		"":  {"new"},
		"0": {"one", "two", "new"},
		"1": {"two", "new"},
	} {
		t.Run("after "+after, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				s := newFakeStore()
				p := newTestPool(t, s, Config{})
				s.emit(Event{ID: "one"})
				s.emit(Event{ID: "two"})
				ctx, cancel := context.WithCancel(t.Context())
				got, ended := follow(ctx, p, after)
				synctest.Wait()
				s.emit(Event{ID: "new"})
				synctest.Wait()
				cancel()
				<-ended
				if diff := cmp.Diff(want, *got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestReaderGetsOneTrimmedErrorAndContinues(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		for _, id := range []string{"one", "two", "three", "four"} {
			s.emit(Event{ID: id})
		}
		s.trim(2)
		ctx, cancel := context.WithCancel(t.Context())
		got, ended := follow(ctx, p, "1")
		synctest.Wait()
		s.emit(Event{ID: "five"})
		synctest.Wait()
		cancel()
		<-ended
		if diff := cmp.Diff([]string{"trimmed", "three", "four", "five"}, *got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEventsWaitForAnOutageToEnd(t *testing.T) {
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
		ctx, cancel := context.WithCancel(t.Context())
		got, ended := follow(ctx, p, "")
		synctest.Wait()
		s.emit(Event{ID: "one"})
		synctest.Wait()
		s.emit(Event{ID: "two"})
		advance(time.Minute)
		cancel()
		<-ended
		if diff := cmp.Diff([]string{"one", "two"}, *got); diff != "" {
			t.Error(diff)
		}
		if reads > 40 {
			t.Errorf("read %d times in a minute", reads)
		}
	})
}

func TestEventsEndWithPermanentErrors(t *testing.T) {
	for name, set := range map[string]func(*fakeStore){
		"first answer": func(s *fakeStore) { s.lastErr = func() error { return errors.New("down") } },
		"first read":   func(s *fakeStore) { s.readErr = func() error { return errors.New("down") } },
		"schema": func(s *fakeStore) {
			reads := 0
			s.readErr = func() error {
				if reads++; reads > 1 {
					return task.ErrSchema
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				s := newFakeStore()
				set(s)
				got, ended := follow(t.Context(), newTestPool(t, s, Config{}), "")
				<-ended
				if diff := cmp.Diff([]string{"error"}, *got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestReaderMayEndTheLoop(t *testing.T) {
	s := newFakeStore()
	p := newTestPool(t, s, Config{})
	s.emit(Event{ID: "one"})
	s.emit(Event{ID: "two"})
	for e := range p.Events(t.Context(), "0") {
		if e.ID != "one" {
			t.Errorf("got %s", e.ID)
		}
		break
	}
}

// A reader that stores only cursors of events without More reads all later events.
func TestEventsOfOneEntryShareACursor(t *testing.T) {
	s := newFakeStore()
	p := newTestPool(t, s, Config{})
	s.emit(Event{ID: "a"})
	s.emitEntry(Event{ID: "b"}, Event{ID: "c"}, Event{ID: "d"})
	s.emitEntry(Event{ID: "e"}, Event{ID: "f"})
	s.emit(Event{ID: "g"})
	want := []string{"a@1", "b@2+", "c@2+", "d@2", "e@3+", "f@3", "g@4"}
	for after, from := range map[string]int{"0": 0, "1": 1, "2": 4, "3": 6} {
		var got []string
		for e, err := range p.Events(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			more := ""
			if e.More {
				more = "+"
			}
			if got = append(got, e.ID+"@"+e.Cursor+more); len(got) == len(want)-from {
				break
			}
		}
		if diff := cmp.Diff(want[from:], got); diff != "" {
			t.Errorf("after %s:\n%s", after, diff)
		}
	}
}
