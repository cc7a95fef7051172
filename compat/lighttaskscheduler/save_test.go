package lighttaskscheduler_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// saver is a persistencer that records its calls at a farm.
type saver struct {
	t      *testing.T
	f      *farm
	pool   *pooltest.Pool // checks the state of the task; may be nil
	state  pool.State
	saved  *[]any
	faults *int  // how many calls fail
	err    error // of calls that fail; nil for errBoom
}

func (s saver) DataPersistence(ctx context.Context, own *lts.Task, data any) error {
	s.f.mu.Lock()
	s.f.calls = append(s.f.calls, "Save "+own.TaskId)
	fails := s.faults != nil && *s.faults > 0
	if fails {
		*s.faults--
	}
	s.f.mu.Unlock()
	if own.TaskStatus != lts.TASK_STATUS_EXPORTING || own.TaskItem.(Cut).Work == "" && !s.f.isFunction {
		s.t.Errorf("saved: %+v", own)
	}
	if s.pool != nil {
		if got, err := s.pool.Get(ctx, own.TaskId); err != nil || got.State != s.state {
			s.t.Errorf("while its data is saved, the task is %+v, %v", got, err)
		}
	}
	if fails {
		return cmp.Or(s.err, errBoom)
	}
	if s.saved != nil {
		*s.saved = append(*s.saved, data)
	}
	return nil
}

func (s saver) GetPersistenceData(_ context.Context, own *lts.Task) (any, error) {
	return "data of " + own.TaskId, nil
}

func (s saver) DeletePersistenceData(context.Context, *lts.Task) error {
	s.t.Error("the data was deleted")
	return nil
}

// Data is saved before the task succeeds. A save that fails is repeated without running the
// task again. Saved data is never deleted.
func TestDataIsSavedBeforeTheTaskSucceeds(t *testing.T) {
	for mode, faults := range map[string]int{"polling": 11, "function": 11, "callback": 0, "wrapped function, polling": 0} {
		t.Run(mode, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(always(try{lasts: time.Second}))
				config := modes[mode]
				config.EnableFinshedTaskList = true
				config = f.config(config)
				a := f.actuator(t, mode)
				var saved []any
				left := faults
				s := scheduler(t, p, a, saver{t, f, p, pool.Exporting, &saved, &left, nil}, config)
				add(t, s, "a")
				want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
				if f.count("Start ") != 1 || f.count("Save ") != faults+1 || len(saved) != 1 || saved[0] != "cut of a#1" {
					t.Errorf("saved %q after the calls %q", saved, f.calls)
				}
				if n := f.count("GetOutput "); a == f && n != 1 {
					t.Errorf("GetOutput was called %d times", n)
				}
			})
		})
	}
}

// A task whose data is saved has no slot and no timeout. It can be stopped, and the next
// process saves what is left.
func TestSaveNeedsNoSlot(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		c := f.config(lts.Config{TaskLimit: 1, TaskTimeout: time.Minute, EnableFinshedTaskList: true})
		faults := 1 << 30
		first := scheduler(t, p, f, saver{t, f, p, pool.Exporting, nil, &faults, nil}, c)
		add(t, first, "a", "b", "c")
		advance(time.Minute)
		if running, err := first.Container.GetRunningTask(t.Context()); err != nil || len(running) != 3 || running[0].TaskStatus != lts.TASK_STATUS_EXPORTING {
			t.Errorf("the tasks are %+v, %v", running, err)
		}
		if err := first.StopTask(t.Context(), &lts.Task{TaskId: "b"}); err != nil {
			t.Error(err)
		}
		want(t, receive(t, first), "b", lts.TASK_STATUS_STOPED, 0, "")
		first.Close()

		var saved []any
		s := scheduler(t, p, f, saver{t, f, p, pool.Exporting, &saved, nil, nil}, c)
		ended := map[string]bool{}
		for range 2 {
			got := receive(t, s)
			want(t, got, got.TaskId, lts.TASK_STATUS_SUCCESS, 0, "")
			ended[got.TaskId] = true
		}
		if !ended["a"] || !ended["c"] || len(saved) != 2 || f.count("Start ") != 3 {
			t.Errorf("ended %v, saved %q", ended, saved)
		}
		s.Close()
		advance(time.Hour)
		if n := len(saved); n != 2 {
			t.Errorf("%d results were saved", n)
		}
	})
}

// A save that fails for good fails the task, keeps the data for a retry, and uses no try.
func TestDataThatIsNotSavedIsKept(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		faults := 1
		var saved []any
		s := scheduler(t, p, f, saver{t, f, p, pool.Exporting, &saved, &faults, pool.Permanent(errBoom)}, f.config(lts.Config{MaxFailedAttempts: 3, EnableFinshedTaskList: true}))
		add(t, s, "a")
		want(t, receive(t, s), "a", lts.TASK_STATUS_FAILED, 0, "boom")
		if _, err := p.Retry(t.Context(), pool.Filter{IDs: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
		if f.count("Start ") != 1 || len(saved) != 1 {
			t.Errorf("saved %q after the calls %q", saved, f.calls)
		}
	})
}

// Data that Redis cannot keep reaches the persistencer as it is, before the try ends. After ten
// failures the try has failed.
func TestDataThatIsNotJSONIsSavedByItsTry(t *testing.T) {
	type handle struct{ path string } // is not registered, and has no exported field
	for name, data := range map[string]any{"unregistered": &handle{"x"}, "inexact": map[string]any{"n": 1}} {
		for faults, starts := range map[int]int{0: 1, 9: 1, 10: 2} {
			t.Run(fmt.Sprint(name, ", faults: ", faults), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
					f := newFarm(nil)
					f.isFunction = true
					runs := 0
					a, err := actuator.MakeFucntionActuator(func(context.Context, *lts.Task) (any, error) { runs++; return data, nil }, nil)
					if err != nil {
						t.Fatal(err)
					}
					var saved []any
					left := faults
					s := scheduler(t, p, a, saver{t, f, p, pool.Running, &saved, &left, nil}, lts.Config{TaskLimit: 1, MaxFailedAttempts: 1, EnableFinshedTaskList: true})
					add(t, s, "a")
					want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, int32(starts-1), "")
					if d := gocmp.Diff([]any{data}, saved, gocmp.AllowUnexported(handle{})); d != "" || runs != starts {
						t.Errorf("%d runs, saved (-want +got):\n%s", runs, d)
					}
				})
			})
		}
	}
}

// The pool loads saved data with the persistencer.
func TestSavedDataIsTheResult(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		s := scheduler(t, p, f, saver{t: t, f: f}, f.config(lts.Config{EnableFinshedTaskList: true}))
		id := strings.Repeat("long ", 1000)
		add(t, s, "a")
		want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
		add(t, s, id)
		want(t, receive(t, s), id, lts.TASK_STATUS_SUCCESS, 0, "")
		if got, err := pool.Result[string](t.Context(), s.Pool(), "a"); err != nil || got != "data of a" {
			t.Errorf("the result is %q, %v", got, err)
		}
	})
}
