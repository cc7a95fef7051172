package lighttaskscheduler

import (
	"cmp"
	"context"
	"errors"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// onFinish reports an ended task to the own container and to the receiver of FinshedTasks.
// If they have not taken it when the scheduler ends, onFinish panics, so that the pool
// delivers the event again.
func (s *TaskScheduler) onFinish(ctx context.Context, e pool.Event) {
	if e.Kind != kind {
		return
	}
	t, err := s.pool.Get(ctx, e.ID)
	for n := 1; err != nil && !errors.Is(err, pool.ErrNotFound) && backoff.Sleep(ctx, backoff.Delay(n)) == nil; n++ {
		t, err = s.pool.Get(ctx, e.ID)
	}
	own := finishedTask(&e, t)
	if t == nil || t.Version == e.Version { // else the task was added again
		s.base.finished(ctx, own)
	}
	if err := ctx.Err(); err != nil {
		panic(err) // the channel may be closed
	}
	if s.finished == nil {
		return
	}
	select {
	case s.finished <- own:
	case <-ctx.Done():
		panic(ctx.Err())
	}
}

// finishedTask returns an ended task. t is the task as it is now; nil if it was removed. It
// may have been added again since.
func finishedTask(e *pool.Event, t *task.Task) *Task {
	own := &Task{}
	failures := max(int(e.Attempt)-1, 0)
	if t != nil {
		// The item of a task that cannot be decoded stays nil.
		*own, _ = decodeTask(t.Payload)
		if t.Version == e.Version {
			failures = t.Failures
			if e.State == task.Failed && e.Code != task.CodeExport {
				failures = max(failures-1, 0) // the last failure is not followed by a retry
			}
		}
	}
	own.TaskId = cmp.Or(e.Meta[idHeader], own.TaskId, e.ID)
	own.TaskStatus, own.TaskAttemptsTime = statusOf(e.State), int32(failures)
	own.TaskStartTime, own.TaskEnbTime = e.At.Add(-e.Run), e.At
	if e.State != task.Succeeded {
		own.FailedReason = &pool.TaskError{ID: own.TaskId, State: e.State, Code: e.Code, Message: e.Error}
	}
	return own
}
