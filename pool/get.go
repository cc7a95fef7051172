package pool

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Get reads a task. It returns ErrNotFound if there is none: it never existed, or was
// removed after its end.
func (p *Pool) Get(ctx context.Context, id string) (*task.Task, error) {
	if err := checkName("id", id); err != nil {
		return nil, fmt.Errorf("get task: %w", err)
	}
	t, err := p.find(ctx, id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("task %s: %w", id, err)
	case t == nil:
		return nil, fmt.Errorf("get task %s: %w", id, ErrNotFound)
	}
	return t, nil
}

// ByUnique reads the live task that has the unique key. If there is none, it reads the one
// that ended last among the ended tasks with the key that are still kept. It searches the
// task.RetainNewest (10,000) ended tasks of each state that are kept longest, so it may miss
// one in a pool that keeps more. It returns ErrNotFound if it finds none.
//
// To stop, retry, start or change the task, use its ID in a Filter. If the task has changed
// since, the result is as for any other task with this state.
func (p *Pool) ByUnique(ctx context.Context, key string) (*task.Task, error) {
	if key == "" {
		return nil, fmt.Errorf("find task: %w", &FieldError{Field: "unique", Msg: "must not be empty"})
	}
	t, err := p.store.ByUnique(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, fmt.Errorf("find task with the unique key %q: %w", task.Clip(key), ErrNotFound)
	}
	return t, nil
}

// find reads a task; nil if there is none. The id has been checked.
func (p *Pool) find(ctx context.Context, id string) (*task.Task, error) {
	tasks, err := p.store.Get(ctx, id)
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	return tasks[0], nil
}

// History reads the attempts of a task that failed, were stopped or were lost, and the
// others that have a log, oldest first. The store keeps the newest task.MaxHistory.
func (p *Pool) History(ctx context.Context, id string) ([]AttemptRecord, error) {
	if err := checkName("id", id); err != nil {
		return nil, fmt.Errorf("history of task: %w", err)
	}
	h, err := p.store.History(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return h, nil
}
