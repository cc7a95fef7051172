package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// taskLife moves a task through its states and emits an event for each.
type taskLife struct {
	s *fakeStore
	t task.Task
}

func newTaskLife(s *fakeStore, id string) *taskLife {
	l := &taskLife{s: s, t: task.Task{Spec: Spec{ID: id, Kind: "k", Queue: "q"}, CreatedAt: time.Now()}}
	l.become(task.Waiting)
	return l
}

func (l *taskLife) become(state State) {
	l.t.State = state
	l.t.Version++
	if state == Failed {
		l.t.Code, l.t.Error = CodeError, "boom"
	}
	c := l.t
	l.s.put(&c)
	l.s.emit(Event{ID: l.t.ID, Kind: "k", Queue: "q", State: state, Version: l.t.Version, At: time.Now(), Code: l.t.Code, Error: l.t.Error, Result: l.t.Result})
}

// end ends the task successfully and removes it from the store.
func (l *taskLife) end(result string) {
	l.t.Result = []byte(result)
	l.become(Succeeded)
	l.s.remove(l.t.ID)
}

type waitResult struct {
	N   int
	Err error
}

func startWait(ctx context.Context, p *Pool, id string) chan waitResult {
	c := make(chan waitResult, 1)
	go func() {
		n, err := Wait[int](ctx, p, id)
		c <- waitResult{n, err}
	}()
	return c
}

// The end of the task is tested in every order with the steps of a wait.
func TestWaitReturnsWheneverTheTaskEnds(t *testing.T) {
	for _, kept := range []bool{true, false} {
		end := func(l *taskLife) {
			l.t.Result = []byte("42")
			l.become(Succeeded)
			if !kept {
				l.s.remove(l.t.ID)
			}
		}
		for name, when := range map[string]func(s *fakeStore, l *taskLife){
			"before the listen": func(_ *fakeStore, l *taskLife) { end(l) },
			"while the listen begins": func(s *fakeStore, l *taskLife) {
				s.lastErr = sync.OnceValue(func() error { end(l); return nil })
			},
			"between the listen and the read": func(s *fakeStore, l *taskLife) {
				s.beforeGet = sync.OnceFunc(func() { end(l) })
			},
			"while the first events are read": func(s *fakeStore, l *taskLife) {
				s.readErr = sync.OnceValue(func() error { end(l); return nil })
			},
			"long after": func(_ *fakeStore, l *taskLife) {
				time.AfterFunc(time.Hour, func() { end(l) })
			},
			"after a retry and another failure": func(_ *fakeStore, l *taskLife) {
				time.AfterFunc(time.Minute, func() { l.become(Scheduled); l.become(task.Running); end(l) })
			},
		} {
			t.Run(fmt.Sprintf("%s, kept=%v", name, kept), func(t *testing.T) {
				faketime.Test(t, func(t *testing.T) {
					s := newFakeStore()
					l := newTaskLife(s, "a")
					p := newTestPool(t, s, Config{})
					when(s, l)
					got := <-startWait(t.Context(), p, "a")
					if got.N != 42 || got.Err != nil {
						t.Errorf("got %+v", got)
					}
				})
			})
		}
	}
}

func TestWaitReturnsATaskErrorWithoutSuccess(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		l := newTaskLife(s, "a")
		p := newTestPool(t, s, Config{})
		c := startWait(t.Context(), p, "a")
		synctest.Wait()
		l.become(Failed)
		got := <-c
		var e *TaskError
		if !errors.As(got.Err, &e) {
			t.Fatalf("got %v", got.Err)
		}
		if diff := cmp.Diff(&TaskError{ID: "a", State: Failed, Code: CodeError, Message: "boom"}, e); diff != "" {
			t.Error(diff)
		}
		if want := "task a failed (error): boom"; e.Error() != want {
			t.Errorf("error %q, want %q", e, want)
		}
		if _, err := Result[int](t.Context(), p, "a"); !errors.As(err, &e) {
			t.Errorf("Result: got %v", err)
		}
		task, err := p.WaitTask(t.Context(), "a")
		if err != nil || task.State != Failed {
			t.Errorf("WaitTask: got %+v, %v", task, err)
		}
	})
}

func TestTaskThatIsGoneIsRebuiltFromItsLastEvent(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		s.emit(Event{ID: "old", State: Succeeded})
		at := time.Now()
		s.emit(Event{ID: "a", State: Succeeded, Kind: "k", Queue: "q", Group: "g", Code: CodeOK, Attempt: 3, Version: 9, Replica: "r", At: at, Meta: map[string]string{"h": "1"}, Result: []byte("1")})
		for range lookBack - 1 {
			s.emit(Event{ID: "other", State: Succeeded})
		}
		got, err := p.WaitTask(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		want := &task.Task{
			Spec:  Spec{ID: "a", Kind: "k", Queue: "q", Group: "g", Headers: map[string]string{"h": "1"}},
			State: Succeeded, Code: CodeOK, Attempt: 3, Version: 9, Replica: "r", EndedAt: at, Result: []byte("1"),
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(task.Task{})); diff != "" {
			t.Error(diff)
		}
		if _, err := p.WaitTask(t.Context(), "old"); !errors.Is(err, ErrNotFound) {
			t.Errorf("beyond the newest %d events: got %v", lookBack, err)
		}
		if _, err := p.WaitTask(t.Context(), "never"); !errors.Is(err, ErrNotFound) {
			t.Errorf("never made: got %v", err)
		}
	})
}

func TestFindReturnsTasksAndTheEndsOfTasksThatAreGone(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		s.emit(Event{ID: "gone", Kind: "k", State: Failed, Version: 3})
		s.emit(Event{ID: "gone", Kind: "k", State: Succeeded, Version: 5, Result: []byte("1")})
		s.emit(Event{ID: "left", Kind: "k", State: Waiting, Version: 1})
		newTaskLife(s, "alive")
		tasks, err := p.Find(t.Context(), "gone", "never", "alive", "left", "gone")
		if err != nil || len(tasks) != 5 {
			t.Fatal(tasks, err)
		}
		for i, want := range []State{Succeeded, "", task.Waiting, "", Succeeded} {
			if got := tasks[i]; (got == nil) != (want == "") || got != nil && got.State != want {
				t.Errorf("%d: got %+v, want one that is %q", i, got, want)
			}
		}
		if got := tasks[0]; got.Version != 5 || string(got.Result) != "1" {
			t.Errorf("got %+v", got)
		}
		if s.calls("recent") != 2 { // the last page is empty
			t.Errorf("the events were read %d times", s.calls("recent"))
		}
		var field *FieldError
		if _, err := p.Find(t.Context(), "a b"); !errors.As(err, &field) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitReportsALongResultThatIsGone(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		end := Event{ID: "a", At: time.Now(), Kind: "k", State: Succeeded, Version: 3, ResultBytes: 5000}
		again := func() {
			t.Helper()
			if n, err := Wait[int](t.Context(), p, "a"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "5000 bytes") {
				t.Errorf("got %d, %v", n, err)
			}
		}
		l := newTaskLife(s, "a")
		wait := startWait(t.Context(), p, "a")
		synctest.Wait()
		s.remove(l.t.ID)
		s.emit(end)
		if got := <-wait; !errors.Is(got.Err, ErrNotFound) {
			t.Errorf("got %+v", got)
		}
		again()
		if task, err := p.WaitTask(t.Context(), "a"); err != nil || task.State != Succeeded || task.Result != nil || task.ResultLost != 5000 {
			t.Errorf("got %+v, %v", task, err)
		}
		if tasks, err := p.Find(t.Context(), "a"); err != nil || tasks[0].ResultLost != 5000 {
			t.Errorf("got %+v, %v", tasks, err)
		}
	})
}

func TestWaitEndsForATaskWithABrokenRecord(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		broken := errors.New("no header")
		s.put(&task.Task{Spec: Spec{ID: "a"}, Broken: broken})
		if task, err := p.WaitTask(t.Context(), "a"); task != nil || !errors.Is(err, broken) {
			t.Errorf("got %+v, %v", task, err)
		}
	})
}

func TestWaitIgnoresTheEndOfAnEarlierGeneration(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		l := newTaskLife(s, "a")
		// The task fails and an operator retries it after the waiter has joined and before
		// the task is read: the waiter still gets the event of that end.
		s.beforeGet = sync.OnceFunc(func() { l.become(Failed); l.become(task.Waiting) })
		c := startWait(t.Context(), p, "a")
		synctest.Wait()
		select {
		case got := <-c:
			t.Fatalf("returned %+v", got)
		default:
		}
		l.end("2")
		if got := <-c; got.N != 2 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWaitIgnoresTheEndOfAnEarlierTaskWithTheSameID(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		old := newTaskLife(s, "a")
		var l *taskLife
		s.beforeGet = sync.OnceFunc(func() {
			old.become(task.Running)
			old.end("1")
			time.Sleep(time.Millisecond)
			l = newTaskLife(s, "a")
		})
		c := startWait(t.Context(), p, "a")
		advance(time.Second)
		l.end("2")
		if got := <-c; got.N != 2 || got.Err != nil {
			t.Errorf("got %+v", got)
		}
	})
}

// The clock of the store is set back, or that of its successor is behind: the task ends before it was made.
func TestWaitReturnsAfterTheClockOfTheStoreWasSetBack(t *testing.T) {
	for _, kept := range []bool{true, false} {
		faketime.Test(t, func(t *testing.T) {
			s := newFakeStore()
			p := newTestPool(t, s, Config{})
			l := newTaskLife(s, "a")
			l.t.CreatedAt = time.Now().Add(time.Hour)
			l.become(task.Running)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := startWait(ctx, p, "a")
			synctest.Wait()
			l.t.Result = []byte("1")
			l.become(Succeeded)
			if !kept {
				s.remove("a")
			}
			if got := <-c; got.N != 1 || got.Err != nil {
				t.Errorf("kept %v: got %+v", kept, got)
			}
		})
	}
}

func TestWaitReturnsAnEndThatWasRetriedMeanwhile(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		p := newTestPool(t, s, Config{})
		l := newTaskLife(s, "a")
		c := startWait(t.Context(), p, "a")
		synctest.Wait()
		s.beforeGet = sync.OnceFunc(func() { l.become(task.Waiting) })
		l.become(Failed)
		var e *TaskError
		if got := <-c; !errors.As(got.Err, &e) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWaitReturnsWhenItsContextEnds(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newFakeStore()
		newTaskLife(s, "a")
		p := newTestPool(t, s, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		got := <-startWait(ctx, p, "a")
		if !errors.Is(got.Err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("got %+v after %v", got, time.Since(began))
		}
	})
}
