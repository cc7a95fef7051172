package lighttaskscheduler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// Whatever the cause and the mode, a task has as many tries. Each has a start time and a
// context of its own.
func TestRetriesAreTheSameForEveryCauseInEveryMode(t *testing.T) {
	for cause, c := range map[string]struct {
		try    try
		reason string
		stops  int // calls of Stop
		code   pool.Code
		modes  []string
	}{
		"an error":      {try{lasts: time.Second, err: errBoom}, "boom", 0, pool.CodeError, []string{"polling", "callback", "both", "function"}},
		"a start error": {try{start: errBoom}, "boom", 0, pool.CodeError, []string{"polling"}},
		"a panic":       {try{panics: true}, "panic: boom", 3, pool.CodePanic, []string{"polling", "function"}},
		"no end":        {try{}, "timed out", 3, pool.CodeTimeout, []string{"polling", "callback", "both", "function"}},
		"a late end":    {try{lasts: 33 * time.Second}, "timed out", 3, pool.CodeTimeout, []string{"callback", "function", "wrapped function, callback"}},
	} {
		for _, mode := range c.modes {
			config := modes[mode]
			t.Run(cause+", "+mode, func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
					f := newFarm(always(c.try))
					config.MaxFailedAttempts, config.TaskTimeout, config.EnableFinshedTaskList = 2, 30*time.Second, true
					config := f.config(config)
					a := f.actuator(t, mode)
					s := scheduler(t, p, a, nil, config)
					add(t, s, "a")
					got := receive(t, s)
					want(t, got, "a", lts.TASK_STATUS_FAILED, 2, c.reason)
					var why *pool.TaskError
					if !errors.As(got.FailedReason, &why) || why.Code != c.code {
						t.Errorf("the reason is %#v", got.FailedReason)
					}
					if f.count("Start ") != 3 || !distinct(f.times) || f.ended != 0 {
						t.Errorf("%d starts at %v, %d with an ended context", f.count("Start "), f.times, f.ended)
					}
					if n := f.count("Stop "); a == f && n != c.stops {
						t.Errorf("Stop was called %d times, want %d", n, c.stops)
					}
					if took := got.TaskEnbTime.Sub(got.TaskStartTime); took > 45*time.Second {
						t.Errorf("the last try took %v", took)
					}
				})
			})
		}
	}
}

func TestRetryAfterAFailureSucceeds(t *testing.T) {
	for mode, config := range modes {
		t.Run(mode, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(func(_ string, n int) try {
					return []try{{lasts: time.Second, err: errBoom}, {}, {lasts: time.Second}}[n-1]
				})
				config.MaxFailedAttempts, config.TaskTimeout, config.EnableFinshedTaskList = 5, 30*time.Second, true
				config := f.config(config)
				a := f.actuator(t, mode)
				s := scheduler(t, p, a, nil, config)
				add(t, s, "a")
				got := receive(t, s)
				want(t, got, "a", lts.TASK_STATUS_SUCCESS, 2, "")
				if got.FailedReason != nil || got.TaskItem != (Cut{Video: "v"}) || got.TaskStartTime.IsZero() {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestIgnoredStartErrorKeepsTheTaskAndItsTries(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(func(_ string, n int) try {
			if n <= 3 {
				return try{start: errBoom, ignore: true}
			}
			return try{lasts: time.Second}
		})
		s := scheduler(t, p, f, nil, f.config(lts.Config{EnableFinshedTaskList: true}))
		add(t, s, "a")
		want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
		if n := f.count("Start "); n != 4 {
			t.Errorf("%d starts", n)
		}
	})
}

// A query that fails concerns all tasks of the call. Their timeouts hold nevertheless.
func TestFailingStatusQueryDelaysNoTimeout(t *testing.T) {
	for name, status := range map[string]func([]lts.Task) ([]lts.AsyncTaskStatus, error){
		"error":         func([]lts.Task) ([]lts.AsyncTaskStatus, error) { return nil, errBoom },
		"too few":       func([]lts.Task) ([]lts.AsyncTaskStatus, error) { return nil, nil },
		"panic":         func([]lts.Task) ([]lts.AsyncTaskStatus, error) { panic("boom") },
		"wrong status":  func(all []lts.Task) ([]lts.AsyncTaskStatus, error) { return make([]lts.AsyncTaskStatus, len(all)), nil },
		"still running": func(all []lts.Task) ([]lts.AsyncTaskStatus, error) { return stillRunning(all), nil },
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(always(try{}))
				f.status = status
				s := scheduler(t, p, f, nil, f.config(lts.Config{TaskTimeout: time.Minute, EnableFinshedTaskList: true}))
				began := time.Now()
				add(t, s, "a", "b")
				for range 2 {
					if got := receive(t, s); got.TaskStatus != lts.TASK_STATUS_FAILED {
						t.Errorf("%+v", got)
					}
				}
				if took := time.Since(began); took > 75*time.Second {
					t.Errorf("the tasks ended after %v", took)
				}
				if f.count("Stop ") != 2 {
					t.Errorf("calls: %q", f.calls)
				}
			})
		})
	}
}

func stillRunning(all []lts.Task) []lts.AsyncTaskStatus {
	s := make([]lts.AsyncTaskStatus, len(all))
	for i := range s {
		s[i].TaskStatus = lts.TASK_STATUS_RUNNING
	}
	return s
}

// A process that ends leaves its jobs running. The next one waits for them and starts none.
func TestNextProcessContinuesAJob(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Minute}))
		c := f.config(lts.Config{EnableFinshedTaskList: true, TaskTimeout: 2 * time.Minute})
		first := scheduler(t, p, f, nil, c)
		add(t, first, "a")
		advance(10 * time.Second)
		first.Close()
		s := scheduler(t, p, f, saver{t: t, f: f}, c)
		got := receive(t, s)
		want(t, got, "a", lts.TASK_STATUS_SUCCESS, 0, "")
		if f.count("Start ") != 1 || f.count("Stop ") != 0 || f.count("GetOutput a#1") != 1 {
			t.Errorf("calls: %q", f.calls)
		}
	})
}

// slow is an actuator whose Start takes a time, unless its context ends before.
type slow struct {
	*farm
	takes time.Duration
}

func (s slow) Start(ctx context.Context, t *lts.Task) (*lts.Task, bool, error) {
	select {
	case <-time.After(s.takes): // fake time
		return s.farm.Start(ctx, t)
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func TestStartMayTakeFiveMinutes(t *testing.T) {
	for takes, status := range map[time.Duration]lts.TaskStatus{
		299 * time.Second: lts.TASK_STATUS_SUCCESS,
		301 * time.Second: lts.TASK_STATUS_FAILED,
	} {
		inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
			a := slow{newFarm(always(try{lasts: time.Second})), takes}
			s := scheduler(t, p, a, nil, a.config(lts.Config{EnableFinshedTaskList: true}))
			add(t, s, "a")
			want(t, receive(t, s), "a", status, 0, "")
		})
	}
}
