package lighttaskscheduler_test

import (
	"context"
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// saver is a persistencer that records its calls at a farm.
type saver struct {
	t      *testing.T
	f      *farm
	pool   *pooltest.Pool // checks the state of the task; may be nil
	saved  *[]any
	faults *int // how many calls fail
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
		if got, err := s.pool.Get(ctx, own.TaskId); err != nil || got.State != pool.Running {
			s.t.Errorf("while its data is saved, the task is %+v, %v", got, err)
		}
	}
	if fails {
		return errBoom
	}
	if s.saved != nil {
		*s.saved = append(*s.saved, data)
	}
	return nil
}

func (s saver) GetPersistenceData(context.Context, *lts.Task) (any, error) { return nil, nil }

func (s saver) DeletePersistenceData(context.Context, *lts.Task) error {
	s.t.Error("the data was deleted")
	return nil
}

// Data is saved before the task succeeds. A save that fails is repeated without running the
// task again; only after ten failures the try has failed. Saved data is never deleted.
func TestDataIsSavedBeforeTheTaskSucceeds(t *testing.T) {
	for name, c := range map[string]struct {
		faults, starts, saves int
		retries               int32
	}{
		"at once":        {0, 1, 1, 0},
		"after an error": {9, 1, 10, 0},
		"after a retry":  {10, 2, 11, 1},
	} {
		for _, mode := range []string{"polling", "function"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
					f := newFarm(always(try{lasts: time.Second}))
					config := modes[mode]
					config.MaxFailedAttempts, config.EnableFinshedTaskList = 1, true
					config = f.config(config)
					a := f.actuator(t, mode)
					var saved []any
					faults := c.faults
					s := scheduler(t, p, a, saver{t, f, p, &saved, &faults}, config)
					add(t, s, "a")
					want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, c.retries, "")
					if f.count("Start ") != c.starts || f.count("Save ") != c.saves || len(saved) != 1 {
						t.Errorf("saved %q after the calls %q", saved, f.calls)
					}
					if n := f.count("GetOutput "); a == f && n != c.starts {
						t.Errorf("GetOutput was called %d times", n)
					}
				})
			})
		}
	}
}
