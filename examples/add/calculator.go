package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
)

// calculator is a service that adds numbers in jobs, and the actuator that calls it.
type calculator struct {
	ends chan lighttaskscheduler.Task // gets the tasks whose jobs have ended; may be nil

	mu            sync.Mutex
	faults        map[string][]fault // that are left, by task
	jobs          map[string]*job
	failed, stuck int // the jobs that had these faults
}

// fault is what goes wrong in a job.
type fault int

const (
	none fault = iota
	fails
	hangs
)

// job is a sum that is being computed.
type job struct {
	cancel context.CancelFunc
	status lighttaskscheduler.AsyncTaskStatus
	sum    int
}

func newCalculator() *calculator {
	return &calculator{faults: map[string][]fault{}, jobs: map[string]*job{}}
}

// next returns the fault of the next job of a task. Each of its jobs fails with a
// probability of a quarter and hangs with a probability of a quarter. The seed is fixed.
func (c *calculator) next(task string) fault {
	left, ok := c.faults[task]
	if !ok {
		h := fnv.New64()
		h.Write([]byte(task))
		r := rand.New(rand.NewPCG(h.Sum64(), 7))
		for f := r.IntN(4); f >= 2; f = r.IntN(4) {
			left = append(left, fault(f-1))
		}
	}
	if len(left) == 0 {
		c.faults[task] = left
		return none
	}
	c.faults[task] = left[1:]
	return left[0]
}

// count returns how many jobs have failed and how many have hung.
func (c *calculator) count() (failed, stuck int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed, c.stuck
}

// Init checks a task before it is added.
func (c *calculator) Init(_ context.Context, task *lighttaskscheduler.Task) (*lighttaskscheduler.Task, error) {
	if _, ok := task.TaskItem.(AddTask); !ok {
		return nil, fmt.Errorf("the item is a %T and not an AddTask", task.TaskItem)
	}
	return task, nil
}

// Start starts a job and writes its name into the task.
func (c *calculator) Start(ctx context.Context, task *lighttaskscheduler.Task) (*lighttaskscheduler.Task, bool, error) {
	item := task.TaskItem.(AddTask)
	ctx, cancel := context.WithCancel(ctx) // ends with the try
	j := &job{cancel: cancel, sum: item.A + item.B}
	j.status.TaskStatus = lighttaskscheduler.TASK_STATUS_RUNNING

	c.mu.Lock()
	f := c.next(task.TaskId)
	switch f {
	case fails:
		c.failed++
	case hangs:
		c.stuck++
	}
	item.Job = fmt.Sprintf("%s-%d", task.TaskId, len(c.jobs))
	c.jobs[item.Job] = j
	c.mu.Unlock()

	task.TaskItem = item
	go c.compute(ctx, *task, j, f)
	return task, false, nil
}

// compute runs a job.
func (c *calculator) compute(ctx context.Context, task lighttaskscheduler.Task, j *job, f fault) {
	if f == hangs {
		<-ctx.Done()
		return
	}
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return
	}
	task.TaskStatus = lighttaskscheduler.TASK_STATUS_SUCCESS
	if f == fails {
		task.TaskStatus, task.FailedReason = lighttaskscheduler.TASK_STATUS_FAILED, errors.New("the calculator is out of order")
	}
	c.mu.Lock()
	j.status.TaskStatus, j.status.FailedReason = task.TaskStatus, task.FailedReason
	c.mu.Unlock()
	if c.ends != nil {
		c.ends <- task
	}
}

// Stop ends a job.
func (c *calculator) Stop(_ context.Context, task *lighttaskscheduler.Task) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if j := c.jobs[task.TaskItem.(AddTask).Job]; j != nil {
		j.cancel()
	}
	return nil
}

// GetAsyncTaskStatus returns the statuses of jobs.
func (c *calculator) GetAsyncTaskStatus(_ context.Context, tasks []lighttaskscheduler.Task) ([]lighttaskscheduler.AsyncTaskStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	statuses := make([]lighttaskscheduler.AsyncTaskStatus, len(tasks))
	for i, task := range tasks {
		if j := c.jobs[task.TaskItem.(AddTask).Job]; j != nil {
			statuses[i] = j.status
		} else { // it belongs to another process, which has ended
			statuses[i] = lighttaskscheduler.AsyncTaskStatus{TaskStatus: lighttaskscheduler.TASK_STATUS_FAILED, FailedReason: errors.New("no such job")}
		}
	}
	return statuses, nil
}

// GetOutput returns the sum of a job.
func (c *calculator) GetOutput(_ context.Context, task *lighttaskscheduler.Task) (interface{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.jobs[task.TaskItem.(AddTask).Job]
	if j == nil {
		return nil, errors.New("no such job")
	}
	return j.sum, nil
}
