package lighttaskscheduler_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// table is a container of a program, like a table in SQL.
type table struct {
	lts.TaskContainer // its methods would panic

	mu    sync.Mutex
	rows  map[string]lts.TaskStatus
	calls []string // of one task: "waiting", "running a#1", …
	fails map[string]int
	has   []lts.Task // waiting ones before the start
	runs  []lts.Task // running ones before the start
}

func (c *table) set(call string, t lts.Task, status lts.TaskStatus) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails[call] > 0 {
		c.fails[call]--
		c.calls = append(c.calls, call+" fails")
		return errBoom
	}
	if c.rows == nil {
		c.rows = map[string]lts.TaskStatus{}
	}
	c.rows[t.TaskId] = status
	c.calls = append(c.calls, strings.TrimSpace(call+" "+t.TaskItem.(Cut).Work))
	return nil
}

func (c *table) AddTask(_ context.Context, t lts.Task) error {
	return c.set("waiting", t, lts.TASK_STATUS_WAITING)
}

func (c *table) ToRunningStatus(_ context.Context, t *lts.Task) (*lts.Task, error) {
	return t, c.set("running", *t, lts.TASK_STATUS_RUNNING)
}

func (c *table) ToExportStatus(_ context.Context, t *lts.Task) (*lts.Task, error) {
	return t, c.set("exporting", *t, lts.TASK_STATUS_EXPORTING)
}

func (c *table) ToSuccessStatus(_ context.Context, t *lts.Task) (*lts.Task, error) {
	return t, c.set("success", *t, lts.TASK_STATUS_SUCCESS)
}

func (c *table) ToFailedStatus(_ context.Context, t *lts.Task, why error) (*lts.Task, error) {
	return t, c.set("failed", *t, lts.TASK_STATUS_FAILED)
}

func (c *table) ToStopStatus(_ context.Context, t *lts.Task) (*lts.Task, error) {
	return t, c.set("stopped", *t, lts.TASK_STATUS_STOPED)
}

func (c *table) GetRunningTask(context.Context) ([]lts.Task, error) { return c.runs, nil }

func (c *table) GetWaitingTask(_ context.Context, limit int32) ([]lts.Task, error) {
	return c.has[:min(len(c.has), int(limit))], nil
}

func (c *table) want(t *testing.T, want ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(want, c.calls); diff != "" {
		t.Errorf("calls of the container (-want +got):\n%s", diff)
	}
}

// combined starts a scheduler with a container of the program.
func combined(t *testing.T, p *pooltest.Pool, c *table, a lts.TaskActuator, s lts.TaskdataPersistencer, config lts.Config) *lts.TaskScheduler {
	t.Helper()
	sch, err := lts.MakeScheduler(container.MakeCombinationContainer(lts.NewContainer(p.Store()), c), a, s, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sch.Close)
	return sch
}

// The container of the program gets each change, and the end until it has taken it. A task
// that is added again while it runs does not reset its row.
func TestOwnContainerLearnsOfEachChange(t *testing.T) {
	for name, c := range map[string]struct {
		fails map[string]int
		tries []try
		stop  bool
		want  []string
	}{
		"success": {nil, []try{{lasts: time.Minute}}, false,
			[]string{"waiting", "running a#1", "exporting a#1", "success"}},
		"retry": {nil, []try{{lasts: time.Minute, err: errBoom}, {lasts: time.Second}}, false,
			[]string{"waiting", "running a#1", "running a#2", "exporting a#2", "success"}},
		"failure": {nil, []try{{lasts: time.Minute, err: errBoom}, {start: errBoom}}, false,
			[]string{"waiting", "running a#1", "failed"}},
		"stop": {nil, []try{{}}, true,
			[]string{"waiting", "running a#1", "stopped"}},
		"errors": {map[string]int{"running": 1, "exporting": 1, "success": 3}, []try{{lasts: time.Minute}}, false,
			[]string{"waiting", "running fails", "exporting fails", "success fails", "success fails", "success fails", "success"}},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(func(_ string, n int) try { return c.tries[n-1] })
				own := &table{fails: c.fails}
				s := combined(t, p, own, f, saver{t: t, f: f}, f.config(lts.Config{MaxFailedAttempts: 1}))
				add(t, s, "a")
				advance(time.Second)
				add(t, s, "a")
				if c.stop {
					if err := s.StopTask(t.Context(), &lts.Task{TaskId: "a"}); err != nil {
						t.Error(err)
					}
				}
				advance(3 * time.Minute)
				own.want(t, c.want...)
			})
		})
	}
}

func TestTaskThatTheOwnContainerRefusesIsNotAdded(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{}))
		s := combined(t, p, &table{fails: map[string]int{"waiting": 1}}, f, nil, f.config(lts.Config{}))
		if err := s.AddTask(t.Context(), lts.Task{TaskId: "a", TaskItem: Cut{}}); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Error(err)
		}
		advance(time.Second)
		if f.count("Start ") != 0 {
			t.Errorf("calls: %q", f.calls)
		}
	})
}

// MakeScheduler reads the container of the program once, however many rows it has. A task that
// the pool has, ended or not, does not start again.
func TestTasksOfTheOwnContainerAreAddedOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(func(id string, _ int) try {
			if id == "ran" {
				return try{lasts: time.Second}
			}
			return try{}
		})
		own := &table{runs: []lts.Task{{TaskId: "ran", TaskItem: Cut{Video: "v", Work: "old"}}}}
		for i := range 1100 {
			own.has = append(own.has, lts.Task{TaskId: fmt.Sprint("task-", i), TaskItem: Cut{Video: "v"}})
		}
		c := f.config(lts.Config{TaskLimit: 1})
		for range 2 {
			s := combined(t, p, own, f, nil, c)
			advance(10 * time.Second)
			own.mu.Lock()
			slices.Sort(own.calls) // the end may be reported after the next start
			own.mu.Unlock()
			own.want(t, "running ran#1", "running task-0#1", "success old")
			if got, err := p.Stats(t.Context()); err != nil || got.Running != 1 || got.Waiting != 1099 {
				t.Errorf("%+v, %v", got, err)
			}
			s.Close()
		}
	})
}

func TestCombinationNeedsAPool(t *testing.T) {
	for want, c := range map[string]lts.TaskContainer{
		"has no container":         container.MakeCombinationContainer(nil, &table{}),
		"the container is missing": (*lts.Container)(nil),
	} {
		_, err := lts.MakeScheduler(c, newFarm(nil), nil, lts.Config{TaskLimit: 1})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
