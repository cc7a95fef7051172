package lighttaskscheduler

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// runner is an actuator that runs a task in one call. The scheduler then needs none of its
// other methods but Init.
type runner interface {
	// RunTask runs a try of the task and returns its data. The context ends with the try.
	RunTask(ctx context.Context, task *Task) (data interface{}, err error)
}

// runFunction returns the handler of a function actuator.
func (s *TaskScheduler) runFunction(f runner) task.Handler {
	return func(ctx context.Context, t *task.Task) ([]byte, error) {
		own, err := running(t)
		if err != nil {
			return nil, err
		}
		s.base.started(ctx, own)
		data, err := f.RunTask(ctx, &own)
		switch cause := context.Cause(ctx); {
		case err != nil:
			return nil, err
		case errors.Is(cause, task.ErrTimeout), errors.Is(cause, task.ErrStopped):
			return nil, cause // the function has returned too late
		case s.exporter == nil:
			return resultOf(data), nil
		}
		return s.exporter.result(ctx, own, func() (any, error) { return data, nil })
	}
}

// handlerMaker is an actuator whose tasks a handler of the pool runs.
type handlerMaker interface {
	// MakeHandler returns the handler of the tasks of a pool. The handler gets the Task of a
	// task with read.
	MakeHandler(pool string, read func(*task.Task) (Task, error)) (task.Handler, error)
}

// runHandler returns the handler of a handlerMaker. The result of h is the data, as a string.
func (s *TaskScheduler) runHandler(h task.Handler) task.Handler {
	return func(ctx context.Context, t *task.Task) ([]byte, error) {
		own, err := running(t)
		if err != nil {
			return nil, err
		}
		if t.CleanUp == "" {
			s.base.started(ctx, own)
		}
		output, err := h(ctx, t)
		if err != nil || s.exporter == nil {
			return output, err
		}
		return s.exporter.result(ctx, own, func() (any, error) { return string(output), nil })
	}
}

// running returns a task whose try begins now.
func running(t *task.Task) (Task, error) {
	own, err := decodeTask(t.Payload)
	if err != nil {
		return own, task.BadPayload(err)
	}
	own.TaskStatus, own.TaskStartTime, own.TaskAttemptsTime = TASK_STATUS_RUNNING, time.Now().Round(0), int32(t.Failures)
	return own, nil
}

// resultOf returns data as the result of a task; nil if it is none, or does not encode, or is
// too long.
func resultOf(data any) []byte {
	if data == nil {
		return nil
	}
	result, err := json.Marshal(data)
	if err != nil || len(result) > task.MaxResult {
		return nil
	}
	return result
}
