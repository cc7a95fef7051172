// Package actuator makes actuators of functions. It has the names of the package of
// light-task-scheduler.
package actuator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
)

// RunFunction runs a try of a task and returns its data. It must return when ctx ends: by a
// timeout, a stop or the end of the process. It gets a copy of the task.
type RunFunction func(ctx context.Context, task *lighttaskscheduler.Task) (data interface{}, err error)

// InitFunction prepares a task before AddTask enqueues it.
type InitFunction func(ctx context.Context, task *lighttaskscheduler.Task) (newTask *lighttaskscheduler.Task, err error)

// fucntionActuator runs a function. The scheduler calls RunTask. The methods of TaskActuator
// are for actuators that wrap this one.
type fucntionActuator struct {
	run  RunFunction
	init InitFunction // may be nil

	mu        sync.Mutex
	callbacks chan lighttaskscheduler.Task
	calls     map[string]*call // by TaskId
}

// call is a call of the function that Start began.
type call struct {
	cancel context.CancelFunc
	ended  chan struct{}
	status lighttaskscheduler.AsyncTaskStatus
	data   interface{}
}

// MakeFucntionActuator returns an actuator that runs a function for each task. initFunc may
// be nil.
func MakeFucntionActuator(runFunc RunFunction, initFunc InitFunction) (*fucntionActuator, error) {
	if runFunc == nil {
		return nil, errors.New("runFunc is nil")
	}
	return &fucntionActuator{run: runFunc, init: initFunc, calls: map[string]*call{}}, nil
}

// SetCallbackChannel sets the channel on which ends are reported if another actuator wraps
// this one. Otherwise the return of the function is its end and nothing is sent.
func (f *fucntionActuator) SetCallbackChannel(callbackChannel chan lighttaskscheduler.Task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.callbacks = callbackChannel
}

// RunTask calls the function.
func (f *fucntionActuator) RunTask(ctx context.Context, task *lighttaskscheduler.Task) (data interface{}, err error) {
	return f.run(ctx, task)
}

// Init calls the InitFunction.
func (f *fucntionActuator) Init(ctx context.Context, task *lighttaskscheduler.Task) (*lighttaskscheduler.Task, error) {
	if f.init == nil {
		return task, nil
	}
	return f.init(ctx, task)
}

// Start calls the function in the background. Its context ends with ctx.
func (f *fucntionActuator) Start(ctx context.Context, task *lighttaskscheduler.Task) (*lighttaskscheduler.Task, bool, error) {
	run, cancel := context.WithCancel(ctx)
	c := &call{cancel: cancel, ended: make(chan struct{})}
	c.status.TaskStatus = lighttaskscheduler.TASK_STATUS_RUNNING
	f.mu.Lock()
	if old := f.calls[task.TaskId]; old != nil {
		old.cancel()
	}
	f.calls[task.TaskId] = c
	callbacks := f.callbacks
	f.mu.Unlock()

	own := *task
	go func() {
		defer cancel()
		data, err := f.safely(run, own)
		stopped := run.Err() != nil
		if err == nil && stopped {
			err = context.Cause(run) // it has returned too late
		}
		f.mu.Lock()
		c.data = data
		c.status = lighttaskscheduler.AsyncTaskStatus{TaskStatus: lighttaskscheduler.TASK_STATUS_SUCCESS, Progress: 100.0}
		if err != nil {
			c.status = lighttaskscheduler.AsyncTaskStatus{TaskStatus: lighttaskscheduler.TASK_STATUS_FAILED, FailedReason: err}
		}
		report := own
		report.TaskStatus, report.FailedReason, report.TaskEnbTime = c.status.TaskStatus, c.status.FailedReason, time.Now()
		close(c.ended)
		f.mu.Unlock()
		if callbacks == nil || stopped {
			return
		}
		select {
		case callbacks <- report:
		case <-ctx.Done():
		}
	}()
	return task, false, nil
}

func (f *fucntionActuator) safely(ctx context.Context, task lighttaskscheduler.Task) (data interface{}, err error) {
	defer func() {
		if p := recover(); p != nil {
			data, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f.run(ctx, &task)
}

// Stop cancels the context of the function and waits for its return.
func (f *fucntionActuator) Stop(ctx context.Context, task *lighttaskscheduler.Task) error {
	f.mu.Lock()
	c := f.calls[task.TaskId]
	f.mu.Unlock()
	if c == nil {
		return nil
	}
	c.cancel()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return fmt.Errorf("the function of task %s ignores its cancelled context: %w", task.TaskId, ctx.Err())
	}
	f.remove(task.TaskId, c)
	return nil
}

func (f *fucntionActuator) remove(id string, c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[id] == c {
		delete(f.calls, id)
	}
}

var errNotStarted = errors.New("this process has not started the task, or its data was read")

// GetAsyncTaskStatus returns whether the functions have returned. A failed call is forgotten
// with the answer.
func (f *fucntionActuator) GetAsyncTaskStatus(_ context.Context, tasks []lighttaskscheduler.Task) ([]lighttaskscheduler.AsyncTaskStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	statuses := make([]lighttaskscheduler.AsyncTaskStatus, len(tasks))
	for i, t := range tasks {
		c := f.calls[t.TaskId]
		if c == nil {
			statuses[i] = lighttaskscheduler.AsyncTaskStatus{TaskStatus: lighttaskscheduler.TASK_STATUS_FAILED, FailedReason: errNotStarted}
			continue
		}
		statuses[i] = c.status
		if c.status.TaskStatus == lighttaskscheduler.TASK_STATUS_FAILED {
			delete(f.calls, t.TaskId)
		}
	}
	return statuses, nil
}

// GetOutput returns what the function returned, once.
func (f *fucntionActuator) GetOutput(_ context.Context, task *lighttaskscheduler.Task) (interface{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.calls[task.TaskId]
	if c == nil || c.status.TaskStatus != lighttaskscheduler.TASK_STATUS_SUCCESS {
		return nil, errNotStarted
	}
	delete(f.calls, task.TaskId)
	return c.data, nil
}
