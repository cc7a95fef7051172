package pool

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

func TestWaitSurvivesTrimmedEvents(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		l, still := newTaskLife(s, "a"), newTaskLife(s, "b")
		down := errors.New("down")
		var mu sync.Mutex
		var out error
		s.readErr = func() error { mu.Lock(); defer mu.Unlock(); return out }
		set := func(err error) { mu.Lock(); defer mu.Unlock(); out = err }
		a, b := startWait(t.Context(), p, "a"), startWait(t.Context(), p, "b")
		synctest.Wait()
		// Task a ends during an outage, and its event is trimmed before the outage ends.
		set(down)
		s.emit(Event{ID: "x"})
		advance(time.Minute)
		l.t.Result = []byte("1")
		l.become(Succeeded)
		s.emit(Event{ID: "x"})
		s.trim(len(s.entries))
		advance(time.Minute)
		set(nil)
		if got := <-a; got.N != 1 || got.Err != nil {
			t.Errorf("a: got %+v", got)
		}
		still.end("2")
		if got := <-b; got.N != 2 || got.Err != nil {
			t.Errorf("b: got %+v", got)
		}
	})
}

func TestWaitReturnsDeniedUnlessReadingWorkedBefore(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		l := newTaskLife(s, "a")
		var mu sync.Mutex
		out := task.ErrDenied
		s.readErr = func() error { mu.Lock(); defer mu.Unlock(); return out }
		set := func(err error) { mu.Lock(); defer mu.Unlock(); out = err }
		if got := <-startWait(t.Context(), p, "a"); !errors.Is(got.Err, ErrDenied) {
			t.Errorf("got %+v", got)
		}
		set(nil)
		a := startWait(t.Context(), p, "a")
		synctest.Wait()
		s.emit(Event{ID: "x"})
		synctest.Wait()
		set(task.ErrDenied)
		s.emit(Event{ID: "x"})
		advance(time.Minute)
		set(nil)
		l.end("1")
		if got := <-a; got.N != 1 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWaitRetriesReadsWhileItWaits(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		l := newTaskLife(s, "a")
		c := startWait(t.Context(), p, "a")
		synctest.Wait()
		fails := 5
		s.getErr = func() error {
			if fails--; fails >= 0 {
				return errors.New("down")
			}
			return nil
		}
		l.end("3")
		if got := <-c; got.N != 3 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWaitRetriesTheSearchForTheEndOfATaskThatIsGone(t *testing.T) {
	for name, tt := range map[string]struct {
		leave func(*taskLife)
		want  waitResult
	}{
		"with an end":    {func(l *taskLife) { l.end("3") }, waitResult{N: 3}},
		"without an end": {func(l *taskLife) { l.s.remove(l.t.ID) }, waitResult{Err: ErrNotFound}},
	} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				s := newFakeStore()
				p := newTestPool(t, s, Config{})
				l := newTaskLife(s, "a")
				var mu sync.Mutex
				var out error
				s.readErr = func() error { mu.Lock(); defer mu.Unlock(); return out }
				set := func(err error) { mu.Lock(); defer mu.Unlock(); out = err }
				c := startWait(t.Context(), p, "a")
				synctest.Wait()
				// The task is removed during the outage, which has not ended for all calls
				// when its end is searched.
				down := errors.New("down")
				set(down)
				s.emit(Event{ID: "x"})
				advance(time.Minute)
				tt.leave(l)
				fails := 5
				s.recentErr = func() error {
					if fails--; fails >= 0 {
						return down
					}
					return nil
				}
				set(nil)
				if got := <-c; got.N != tt.want.N || !errors.Is(got.Err, tt.want.Err) {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			})
		})
	}
}

func TestWaitReturnsTheFirstErrorsOfTheStore(t *testing.T) {
	down := errors.New("down")
	fail := func() error { return down }
	for name, set := range map[string]func(*fakeStore){
		"where the stream ends": func(s *fakeStore) { s.lastErr = fail },
		"the task":              func(s *fakeStore) { s.getErr = fail },
	} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				s := newFakeStore()
				newTaskLife(s, "a")
				set(s)
				p := newTestPool(t, s, Config{})
				if got := <-startWait(t.Context(), p, "a"); !errors.Is(got.Err, down) {
					t.Errorf("got %+v", got)
				}
				// The next wait works.
				s.lastErr, s.getErr = nil, nil
				c := startWait(t.Context(), p, "a")
				synctest.Wait()
				(&taskLife{s: s, t: task.Task{Spec: Spec{ID: "a"}, Version: 5}}).end("1")
				if got := <-c; got.Err != nil {
					t.Errorf("afterwards: %v", got.Err)
				}
			})
		})
	}
}

func TestPermanentErrorOfTheStreamEndsAllWaits(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		newTaskLife(s, "a")
		s.readErr = func() error { return task.ErrSchema }
		p := newTestPool(t, s, Config{})
		if got := <-startWait(t.Context(), p, "a"); !errors.Is(got.Err, ErrSchema) {
			t.Errorf("got %+v", got)
		}
	})
}
