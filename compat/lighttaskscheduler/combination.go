package lighttaskscheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Combination is a Container together with a container of the program, such as a table in
// SQL, that learns of each change. The pool decides. The other container is only written,
// and read once by MakeScheduler: tasks that wait or run there and that the pool does not
// have are added to the pool.
//
//   - AddTask is called before the task is enqueued. Its error refuses the task. It is not
//     called for a task that is live already.
//   - ToRunningStatus is called when Start has returned, and ToExportStatus before each save
//     of data. Errors are logged.
//   - ToSuccessStatus, ToFailedStatus or ToStopStatus is called when the task has ended, and
//     repeated until it succeeds, also by another process. With FinshedTasks enabled it waits
//     until the tasks that ended before have been received.
//
// Ended tasks are kept in Redis for a day.
//
// The other methods are not called.
type Combination struct {
	*Container
	Own TaskContainer
}

// AddTask adds a task to both containers, without TaskActuator.Init.
func (c *Combination) AddTask(ctx context.Context, t Task) error { return c.add(ctx, t, nil) }

// add adds a task to the own container, unless it is live in the pool, and then to the pool.
func (c *Combination) add(ctx context.Context, t Task, retain *time.Duration) error {
	if c.Own != nil {
		p, err := c.client()
		if err != nil {
			return err
		}
		old, err := p.Get(ctx, poolID(t.TaskId))
		if err != nil && !errors.Is(err, pool.ErrNotFound) {
			return err
		}
		if old == nil || old.State.Terminal() || old.StopWhy != "" {
			if err := c.Own.AddTask(ctx, t); err != nil {
				return fmt.Errorf("add the task to the container: %w", err)
			}
		}
	}
	return c.Container.add(ctx, t, retain)
}

// combine returns the containers that MakeScheduler uses for the one it got.
func combine(container TaskContainer) (*Combination, error) {
	switch c := container.(type) {
	case nil:
		return nil, errors.New("the container is missing")
	case *Container:
		if c == nil {
			return nil, errors.New("the container is missing")
		}
		return &Combination{Container: c}, nil
	case *Combination:
		if c == nil || c.Container == nil {
			return nil, errors.New("the combination has no container made by memeorycontainer")
		}
		return c, nil
	}
	return &Combination{Container: EnvContainer(0), Own: container}, nil
}

// adopt adds the tasks of the own container that the pool does not have.
func (c *Combination) adopt(ctx context.Context, retain *time.Duration) error {
	if c.Own == nil {
		return nil
	}
	running, err := c.Own.GetRunningTask(ctx)
	if err != nil {
		return fmt.Errorf("read the running tasks of the container: %w", err)
	}
	waiting, err := c.Own.GetWaitingTask(ctx, math.MaxInt32)
	if err != nil {
		return fmt.Errorf("read the waiting tasks of the container: %w", err)
	}
	p, err := c.client()
	if err != nil {
		return err
	}
	var specs []task.Spec
	for _, t := range append(running, waiting...) {
		s, err := spec(&t, retain)
		if err != nil {
			return fmt.Errorf("task %q of the container: %w", t.TaskId, err)
		}
		specs = append(specs, s)
	}
	_, err = p.EnqueueAll(ctx, specs) // an id that the pool has makes no task
	return err
}

// started reports a task whose try has begun to the own container.
func (c *Combination) started(ctx context.Context, t Task) {
	if c.Own == nil {
		return
	}
	if _, err := c.Own.ToRunningStatus(ctx, &t); err != nil {
		slog.Warn("the container has not taken the status of a task", "task", t.TaskId, "status", "running", "err", err)
	}
}

// exporting reports a task whose data is saved to the own container.
func (c *Combination) exporting(ctx context.Context, t Task) {
	if c.Own == nil {
		return
	}
	if _, err := c.Own.ToExportStatus(ctx, &t); err != nil {
		slog.Warn("the container has not taken the status of a task", "task", t.TaskId, "status", "exporting", "err", err)
	}
}

// finished reports an ended task to the own container. It repeats a call that fails until
// ctx ends.
func (c *Combination) finished(ctx context.Context, t *Task) {
	if c.Own == nil {
		return
	}
	for n := 1; ctx.Err() == nil; n++ {
		own := *t
		var err error
		switch t.TaskStatus {
		case TASK_STATUS_SUCCESS:
			_, err = c.Own.ToSuccessStatus(ctx, &own)
		case TASK_STATUS_STOPED:
			_, err = c.Own.ToStopStatus(ctx, &own)
		default:
			_, err = c.Own.ToFailedStatus(ctx, &own, t.FailedReason)
		}
		if err == nil {
			return
		}
		if n == 1 {
			slog.Warn("the container has not taken the end of a task; the call is repeated", "task", t.TaskId, "err", err)
		}
		_ = backoff.Sleep(ctx, backoff.Delay(n))
	}
}
