package lighttaskscheduler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// kind is the kind of all tasks of the scheduler.
const kind = "light-task-scheduler"

// idHeader is the header with the TaskId of a task whose id in the pool is another one.
const idHeader = "task_id"

// stopReason is the reason of a stop request.
const stopReason = "StopTask was called"

// ErrExists is returned by AddTask if a live task has the id, with another TaskItem or
// priority. The live task is not changed.
var ErrExists = errors.New("a live task has this id and another item")

// poolID returns the id of a task in the pool: its TaskId if that is a valid name, else a
// hash of it.
func poolID(id string) string {
	if task.CheckName(id) == nil {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "x-" + hex.EncodeToString(sum[:16])
}

// spec returns the task as the pool gets it.
func spec(t *Task, retain *time.Duration) (task.Spec, error) {
	payload, err := encodeTask(t)
	if err != nil {
		return task.Spec{}, err
	}
	s := task.Spec{ID: poolID(t.TaskId), Kind: kind, Payload: payload, Priority: priority(t.TaskPriority), Retain: retain}
	if s.ID != t.TaskId && len(t.TaskId) <= task.MaxHeaderLen {
		s.Headers = map[string]string{idHeader: t.TaskId}
	}
	return s, nil
}

func priority(p int) int8 { return int8(max(-128, min(p, 127))) }

// add enqueues a task. A task with the same id that has ended starts again.
func (c *Container) add(ctx context.Context, t Task, retain *time.Duration) error {
	p, err := c.client()
	if err != nil {
		return err
	}
	s, err := spec(&t, retain)
	if err != nil {
		return fmt.Errorf("task %q: %w", t.TaskId, err)
	}
	for {
		r, err := p.EnqueueSpec(ctx, s)
		if err != nil || !r.Duplicate {
			return err
		}
		again, err := addAgain(ctx, p, &s)
		if err != nil || !again {
			return err
		}
	}
}

// addAgain adds a task whose id another task has. It returns true if that task has gone or
// changed meanwhile, so that the caller tries again.
func addAgain(ctx context.Context, p *pool.Pool, s *task.Spec) (again bool, err error) {
	old, err := p.Get(ctx, s.ID)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	case old.State.Terminal():
		n, err := p.RetryWith(ctx, pool.Filter{IDs: []string{s.ID}}, pool.Edit{Priority: &s.Priority, Payload: s.Payload})
		if errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrNotEnded) {
			return true, nil
		}
		return err == nil && n == 0, err
	case old.StopWhy != "":
		// The task ends soon. It must not take the new one with it.
		_, err := p.WaitTask(ctx, s.ID)
		if errors.Is(err, pool.ErrNotFound) {
			err = nil
		}
		return err == nil, err
	case old.Kind != kind:
		return false, fmt.Errorf("task %q: the pool has a task of the kind %s with this id", s.ID, old.Kind)
	case !bytes.Equal(old.Payload, s.Payload):
		return false, fmt.Errorf("task %q is %s: %w", s.ID, old.State, ErrExists)
	}
	return false, nil
}
