package lighttaskscheduler_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// 60 tasks end before the first is received. Some are received after a restart.
func TestSlowReceiverGetsEveryEndedTask(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		c := f.config(lts.Config{TaskLimit: 50, EnableFinshedTaskList: true})
		first := scheduler(t, p, f, nil, c)
		var ids []string
		for i := range 60 {
			ids = append(ids, fmt.Sprint("task-", i))
		}
		add(t, first, ids...)
		advance(2 * time.Minute)
		for _, id := range ids {
			if got, err := p.Get(t.Context(), id); err != nil || got.State != pool.Succeeded {
				t.Fatalf("%s: %+v, %v", id, got, err)
			}
		}
		seen := map[string]int{}
		for range 15 {
			seen[receive(t, first).TaskId]++
		}
		first.Close()
		if _, ok := <-first.FinshedTasks(); ok {
			t.Error("a task was received after Close")
		}
		second := scheduler(t, p, f, nil, c)
		for len(seen) < len(ids) {
			got := receive(t, second)
			if seen[got.TaskId]++; got.TaskStatus != lts.TASK_STATUS_SUCCESS || got.TaskItem != (Cut{Video: "v"}) {
				t.Errorf("%+v", got)
			}
		}
		twice := 0
		for _, n := range seen {
			twice += n - 1
		}
		if twice > 50 { // those of an entry of the event stream
			t.Errorf("%d tasks were received again", twice)
		}
	})
}

// Close is called by several goroutines while tasks end and the channel has no receiver.
func TestCloseWhileTasksEnd(t *testing.T) {
	for _, mode := range []string{"both", "callback", "function"} {
		config := modes[mode]
		t.Run(mode, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(always(try{lasts: time.Second}))
				config.TaskLimit, config.EnableFinshedTaskList = 4, true
				config := f.config(config)
				a := f.actuator(t, mode)
				s := scheduler(t, p, a, nil, config)
				for i := range 10 {
					add(t, s, fmt.Sprint("task-", i))
				}
				advance(1500 * time.Millisecond)
				var closers sync.WaitGroup
				for range 3 {
					closers.Go(s.Close)
				}
				closers.Wait()
				s.Close()
				if config.EnableStateCallback {
					f.callbacks <- lts.Task{TaskId: "task-9", TaskStatus: lts.TASK_STATUS_SUCCESS}
				}
				for range s.FinshedTasks() {
				}
				if err := s.AddTask(t.Context(), lts.Task{TaskId: "late", TaskItem: Cut{}}); err == nil || !strings.Contains(err.Error(), "closed") {
					t.Errorf("AddTask after Close: %v", err)
				}
			})
		})
	}
}

func TestWithoutTheOptionThereIsNoChannel(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		s := scheduler(t, p, f, nil, f.config(lts.Config{}))
		add(t, s, "a")
		if s.FinshedTasks() != nil {
			t.Error("there is a channel")
		}
		if got, err := p.WaitTask(t.Context(), "a"); err != nil || got.State != pool.Succeeded {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Two schedulers of a pool share TaskLimit. No task is lost and none runs twice.
func TestLimitHoldsOverSchedulersAndLosesNoTask(t *testing.T) {
	inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
		f := newFarm(always(try{lasts: time.Second}))
		c := f.config(lts.Config{TaskLimit: 3, EnableFinshedTaskList: true})
		most := int32(0)
		container := lts.NewContainer(p.Store())
		f.status = func(tasks []lts.Task) ([]lts.AsyncTaskStatus, error) {
			n, err := container.GetRunningTaskCount(context.Background())
			f.mu.Lock()
			most = max(most, n)
			f.mu.Unlock()
			return f.look(tasks), err
		}
		first, second := scheduler(t, p, f, nil, c), scheduler(t, p, f, nil, c)
		for i := range 15 {
			add(t, []*lts.TaskScheduler{first, second}[i%2], fmt.Sprint("task-", i))
		}
		seen := map[string]bool{}
		for len(seen) < 15 {
			select {
			case got := <-first.FinshedTasks():
				seen[got.TaskId] = true
			case got := <-second.FinshedTasks():
				seen[got.TaskId] = true
			case <-time.After(time.Hour): // fake time
				t.Fatalf("ended: %v", seen)
			}
		}
		if most != 3 || f.count("Start ") != 15 {
			t.Errorf("up to %d tasks ran at once; calls: %q", most, f.calls)
		}
	})
}
