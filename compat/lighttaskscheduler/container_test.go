package lighttaskscheduler_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator"
	memeorycontainer "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/memory_container"
	persistcontainer "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/persist_container"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// Interfaces of light-task-scheduler that programs name.
var (
	_ memeorycontainer.MemeoryContainer = memeorycontainer.MakeOrderedMapContainer()
	_ persistcontainer.PersistContainer = memeorycontainer.MakeredisContainer()
)

func TestContainerReadsStopsAndDeletesTasks(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{}))
		scheduler(t, p, f, nil, f.config(lts.Config{TaskLimit: 1}))
		c := lts.NewContainer(p.Store())
		for _, id := range []string{"a", "b", "c", "d"} {
			if err := c.AddTask(t.Context(), lts.Task{TaskId: id, TaskItem: Cut{Video: id}}); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		ids := func(tasks []lts.Task, err error) (s string) {
			if err != nil {
				t.Error(err)
			}
			for _, own := range tasks {
				s += fmt.Sprint(own.TaskId, own.TaskStatus, own.TaskItem.(Cut).Video, " ")
			}
			return s
		}
		got := []string{ids(c.GetRunningTask(t.Context())), ids(c.GetWaitingTask(t.Context(), 2)), ids(c.GetWaitingTask(t.Context(), 0))}
		if diff := cmp.Diff([]string{"a3a ", "b2b c2c ", ""}, got); diff != "" {
			t.Error(diff)
		}
		if _, err := c.ToStopStatus(t.Context(), &lts.Task{TaskId: "b"}); err != nil {
			t.Error(err)
		}
		for _, id := range []string{"a", "b", "c", "gone"} { // running, stopped, waiting
			if got, err := c.ToDeleteStatus(t.Context(), &lts.Task{TaskId: id}); err != nil || got.TaskStatus != lts.TASK_STATUS_DELETE {
				t.Errorf("delete %s: %+v, %v", id, got, err)
			}
		}
		advance(time.Second)
		if got := ids(c.GetRunningTask(t.Context())); got != "d3d " {
			t.Errorf("running: %s", got)
		}
		if n, err := c.GetRunningTaskCount(t.Context()); n != 1 || err != nil {
			t.Errorf("%d run, %v", n, err)
		}
		own := lts.Task{TaskId: "d"}
		_, e1 := c.ToRunningStatus(t.Context(), &own)
		_, e2 := c.ToFailedStatus(t.Context(), &own, errBoom)
		_, e3 := c.ToExportStatus(t.Context(), &own)
		_, e4 := c.ToSuccessStatus(t.Context(), &own)
		for _, err := range []error{e1, e2, e3, e4, c.UpdateRunningTaskStatus(t.Context(), &own, lts.AsyncTaskStatus{})} {
			if !errors.Is(err, lts.ErrTransition) {
				t.Error(err)
			}
		}
	})
}

// An item of any registered type, and an id of any text, comes back as it was.
func TestItemsAndIdsComeBackAsTheyWere(t *testing.T) {
	type pair struct{ A, B int }
	lts.Register(&pair{})
	lts.RegisterName("pair", pair{})
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		var got []any
		a, err := actuator.MakeFucntionActuator(echo(&got), nil)
		if err != nil {
			t.Fatal(err)
		}
		s := scheduler(t, p, a, nil, lts.Config{TaskLimit: 1, EnableFinshedTaskList: true})
		for i, item := range []any{nil, "text", 7, int32(7), 2.5, true, []byte{0, 255}, []string{"a"}, map[string]any{"a": 1.5}, pair{1, 2}, &pair{3, 4}, Cut{Video: "v"}} {
			id := []string{"plain", "with spaces", "任务{1}", strings.Repeat("x", 500)}[i%4] + strings.Repeat("!", i/4)
			if err := s.AddTask(t.Context(), lts.Task{TaskId: id, TaskItem: item, TaskPriority: 1000}); err != nil {
				t.Fatal(err)
			}
			end := receive(t, s)
			want(t, end, id, lts.TASK_STATUS_SUCCESS, 0, "")
			if diff := cmp.Diff([]any{item, item}, []any{got[i], end.TaskItem}); diff != "" || end.TaskPriority != 1000 {
				t.Errorf("%T: %s, priority %d", item, diff, end.TaskPriority)
			}
		}
	})
}

func TestTaskThatCannotBeStoredIsRefused(t *testing.T) {
	type secret struct{ A int }
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{}))
		s := scheduler(t, p, f, nil, f.config(lts.Config{}))
		c := lts.NewContainer(p.Store())
		for name, err := range map[string]error{
			"Register(lighttaskscheduler_test.secret{})":  c.AddTask(t.Context(), lts.Task{TaskId: "a", TaskItem: secret{}}),
			"Register(&lighttaskscheduler_test.secret{})": c.AddTask(t.Context(), lts.Task{TaskId: "a", TaskItem: &secret{}}),
			"TaskId must not be empty":                    c.AddTask(t.Context(), lts.Task{TaskItem: Cut{}}),
			"task init failed: boom":                      s.AddTask(t.Context(), lts.Task{TaskId: "a", TaskItem: Cut{Video: "bad"}}),
		} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v, want %q", err, name)
			}
		}
	})
}

func TestMistakesAreReportedTogether(t *testing.T) {
	_, err := lts.MakeScheduler(nil, nil, nil, lts.Config{TaskTimeout: 1, MaxFailedAttempts: -1, DisableStatePoll: true, StatePollInterval: -1})
	for _, text := range []string{"TaskLimit", "TaskTimeout", "MaxFailedAttempts", "DisableStatePoll", "StatePollInterval", "the actuator is missing", "the container is missing"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("the error is %v, want %q", err, text)
		}
	}
	_, err = lts.MakeScheduler(memeorycontainer.MakeQueueContainer(1, 0), newFarm(nil), nil, lts.Config{TaskLimit: 1, EnableStateCallback: true})
	if err == nil || !strings.Contains(err.Error(), "CallbackReceiver") {
		t.Error(err)
	}
}

// The variables are read by MakeScheduler. Nothing listens at the port.
func TestEnvironmentNamesTheRedis(t *testing.T) {
	for name, c := range map[string]struct{ redis, pool, want string }{
		"no redis": {"redis://u:secret@127.0.0.1:1/0", "media", "connection refused"},
		"bad URL":  {"http://a", "", "LTS_REDIS"},
		"bad pool": {"redis://127.0.0.1:1/0", "a b", "LTS_POOL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LTS_REDIS", c.redis)
			t.Setenv("LTS_POOL", c.pool)
			_, err := lts.MakeScheduler(memeorycontainer.MakeQueueContainer(1, 0), newFarm(nil), nil, lts.Config{TaskLimit: 1})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		})
	}
}
