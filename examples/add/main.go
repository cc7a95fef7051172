// Add runs tasks that add two numbers with the types of light-task-scheduler. A quarter of
// the tries fails, and a quarter never ends and times out. It learns of ends by polling, by
// callbacks, and by both.
//
//	LTS_REDIS=redis://127.0.0.1:6379/0 go run ./examples/add
//	go run ./examples/add -mode callback
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	memeorycontainer "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/memory_container"
)

// AddTask is the item of a task.
type AddTask struct {
	A, B int
	Job  string // the job of the calculator; set by Start
}

const tasks = 12 // in each mode

func main() {
	mode := flag.String("mode", "all", "polling, callback, both or all")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn) // do not log each failed try
	lighttaskscheduler.Register(AddTask{})

	modes := []string{"polling", "callback", "both"}
	if *mode != "all" {
		if !slices.Contains(modes, *mode) {
			log.Fatalf("the mode %q is none of %v and all", *mode, modes)
		}
		modes = []string{*mode}
	}
	// The containers have pools of their own, in the order in which they are made.
	lines, errs := make([]string, len(modes)), make([]error, len(modes))
	var runs sync.WaitGroup
	for i, mode := range modes {
		container := memeorycontainer.MakeQueueContainer(10000, 100*time.Millisecond)
		runs.Go(func() { lines[i], errs[i] = run(mode, container) })
	}
	runs.Wait()
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
	for i, mode := range modes {
		fmt.Printf("%s: %s\n", mode, lines[i])
	}
}

// run adds the tasks, waits until they have ended, and returns what happened.
func run(mode string, container lighttaskscheduler.TaskContainer) (string, error) {
	calc := newCalculator()
	config := lighttaskscheduler.Config{
		TaskLimit:             6,
		TaskTimeout:           time.Second,
		MaxFailedAttempts:     10,
		StatePollInterval:     50 * time.Millisecond,
		DisableStatePoll:      mode == "callback",
		EnableFinshedTaskList: true,
	}
	if mode != "polling" {
		calc.ends = make(chan lighttaskscheduler.Task, 100)
		config.EnableStateCallback, config.CallbackReceiver = true, receiver{calc.ends}
	}
	sums := &sums{saved: map[string]int{}}
	scheduler, err := lighttaskscheduler.MakeScheduler(container, calc, sums, config)
	if err != nil {
		return "", err
	}
	defer scheduler.Close()

	r := rand.New(rand.NewPCG(1, 2))
	for i := range tasks {
		task := lighttaskscheduler.Task{TaskId: strconv.Itoa(i), TaskItem: AddTask{A: r.IntN(1000), B: r.IntN(1000)}}
		if err := scheduler.AddTask(context.Background(), task); err != nil {
			return "", err
		}
	}
	right := map[string]bool{}
	for task := range scheduler.FinshedTasks() {
		if task.TaskStatus != lighttaskscheduler.TASK_STATUS_SUCCESS {
			return "", fmt.Errorf("task %s has failed: %w", task.TaskId, task.FailedReason)
		}
		item := task.TaskItem.(AddTask)
		got, ok := sums.get(task.TaskId)
		if !ok {
			continue // it ended in a run that was interrupted
		}
		if got != item.A+item.B {
			return "", fmt.Errorf("task %s: %d + %d is %d", task.TaskId, item.A, item.B, got)
		}
		if right[task.TaskId] = true; len(right) == tasks {
			break
		}
	}
	failed, stuck := calc.count()
	return fmt.Sprintf("%d sums, %d tries failed, %d timed out", len(right), failed, stuck), nil
}

// receiver is a CallbackReceiver.
type receiver struct{ ends chan lighttaskscheduler.Task }

func (r receiver) GetCallbackChannel(context.Context) chan lighttaskscheduler.Task { return r.ends }

// sums is a persistencer in memory.
type sums struct {
	mu    sync.Mutex
	saved map[string]int
}

func (s *sums) get(id string) (sum int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum, ok = s.saved[id]
	return sum, ok
}

// DataPersistence saves a sum.
func (s *sums) DataPersistence(_ context.Context, task *lighttaskscheduler.Task, data interface{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved[task.TaskId] = data.(int)
	return nil
}

// GetPersistenceData returns a saved sum.
func (s *sums) GetPersistenceData(_ context.Context, task *lighttaskscheduler.Task) (interface{}, error) {
	sum, ok := s.get(task.TaskId)
	if !ok {
		return nil, fmt.Errorf("task %s has no sum", task.TaskId)
	}
	return sum, nil
}

// DeletePersistenceData removes a saved sum.
func (s *sums) DeletePersistenceData(_ context.Context, task *lighttaskscheduler.Task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.saved, task.TaskId)
	return nil
}
