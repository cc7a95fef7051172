package lighttaskscheduler_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// StopTask needs the id only. A stopped task does not come back as a retry, whatever its
// actuator reports, until it is added again.
func TestStoppedTaskComesBackOnlyIfItIsAddedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		copy  lts.Task // that the caller has
		stops int      // calls of Stop
	}{
		"running, with the id only":              {lts.Task{TaskId: "a"}, 1},
		"running, with an old status":            {lts.Task{TaskId: "a", TaskStatus: lts.TASK_STATUS_WAITING, TaskItem: Cut{Work: "other"}}, 1},
		"waiting":                                {lts.Task{TaskId: "b"}, 0},
		"waiting, with the status of a late one": {lts.Task{TaskId: "b", TaskStatus: lts.TASK_STATUS_RUNNING, TaskItem: Cut{Work: "a#1"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(always(try{lasts: 5 * time.Second, err: errBoom}))
				s := scheduler(t, p, f, nil, f.config(lts.Config{TaskLimit: 1, MaxFailedAttempts: 3, EnableFinshedTaskList: true}))
				add(t, s, "a", "b")
				advance(time.Second)
				id := c.copy.TaskId
				if err := s.StopTask(t.Context(), &c.copy); err != nil {
					t.Fatal(err)
				}
				// A waiting task is stopped at once. AddTask waits for the stop of a running one.
				add(t, s, id)
				want(t, receive(t, s), id, lts.TASK_STATUS_STOPED, 0, "StopTask was called")
				if n := f.count(fmt.Sprintf("Stop %s#1", id)); n != c.stops || f.count("Stop ") != c.stops {
					t.Errorf("calls: %q", f.calls)
				}
				for range 2 { // the other one and the one that was added again
					got := receive(t, s)
					want(t, got, got.TaskId, lts.TASK_STATUS_FAILED, 3, "boom")
				}
				if n := f.count("Start " + id); n != c.stops+4 {
					t.Errorf("%d starts of %s", n, id)
				}
				if err := s.StopTask(t.Context(), &c.copy); !errors.Is(err, pool.ErrEnded) {
					t.Errorf("stop of an ended task: %v", err)
				}
			})
		})
	}
}

// A stop leaves no mark that a later task with the id could find.
func TestStopOfNoTaskHasNoEffectOnALaterOne(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		s := scheduler(t, p, f, nil, f.config(lts.Config{EnableFinshedTaskList: true}))
		if err := s.StopTask(t.Context(), &lts.Task{TaskId: "a"}); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("stop of no task: %v", err)
		}
		add(t, s, "a")
		want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
	})
}

func TestTaskThatIsAddedTwice(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Minute}))
		s := scheduler(t, p, f, nil, f.config(lts.Config{EnableFinshedTaskList: true}))
		add(t, s, "a")
		advance(time.Second)
		add(t, s, "a")
		other := lts.Task{TaskId: "a", TaskItem: Cut{Video: "w"}}
		if err := s.AddTask(t.Context(), other); !errors.Is(err, lts.ErrExists) {
			t.Errorf("another item: %v", err)
		}
		want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
		if n := f.count("Start "); n != 1 {
			t.Errorf("%d starts", n)
		}
		if err := s.AddTask(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, s); got.TaskItem != (Cut{Video: "w"}) {
			t.Errorf("%+v", got)
		}
		if n := f.count("Start "); n != 2 {
			t.Errorf("%d starts", n)
		}
	})
}
