package pool

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Result returns what the handler of a succeeded task returned, decoded from
// JSON; a task without a result gives a zero R. It fails with *TaskError where
// the task ended otherwise, ErrNotEnded where it still lives, and ErrNotFound
// where there is none: by default a task with a result is kept for an hour after
// its end.
//
// The output of a handler that does not speak JSON (a command) is in the Result
// of the task that Get and WaitTask return.
func Result[R any](ctx context.Context, p *Pool, id string) (R, error) {
	t, err := p.Get(ctx, id)
	if err != nil {
		var none R
		return none, err
	}
	return resultOf[R](t)
}

// Wait waits until a task has ended, or ctx ends, and returns what Result does,
// and a zero R where the task succeeded without a result and is gone. Where it is
// gone with a result of more than task.MaxEventResult bytes, that is ErrNotFound.
// See WaitTask for what is known of a task that is gone, and for what waiting costs.
func Wait[R any](ctx context.Context, p *Pool, id string) (R, error) {
	t, err := p.WaitTask(ctx, id)
	if err != nil {
		var none R
		return none, err
	}
	return resultOf[R](t)
}

func resultOf[R any](t *task.Task) (R, error) {
	var r R
	switch {
	case !t.State.Terminal():
		return r, fmt.Errorf("result of task %s: %w, it is %s", t.ID, ErrNotEnded, t.State)
	case t.ResultLost > 0:
		return r, fmt.Errorf("result of task %s: %w: it succeeded, and its result of %d bytes is gone with it", t.ID, ErrNotFound, t.ResultLost)
	case t.State != Succeeded:
		e := &TaskError{ID: t.ID, State: t.State, Code: t.Code, Message: t.Error}
		if t.State == Stopped && t.StopWhy != "" {
			e.Message = t.StopWhy
		}
		return r, e
	case len(t.Result) == 0:
		return r, nil
	}
	if err := json.Unmarshal(t.Result, &r); err != nil {
		var none R
		return none, fmt.Errorf("result of task %s: %w", t.ID, err)
	}
	return r, nil
}
