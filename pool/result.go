package pool

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Result returns what the handler of a succeeded task returned, decoded from JSON. A
// task without a result gives a zero R. It returns a *TaskError if the task ended
// without success, ErrNotEnded if it has not ended, and ErrNotFound if there is no such
// task. By default a task with a result is kept for an hour after its end.
//
// If the output of a handler is not JSON (a command's, for example), read the Result of
// the task that Get and WaitTask return.
func Result[R any](ctx context.Context, p *Pool, id string) (R, error) {
	t, err := p.Get(ctx, id)
	if err != nil {
		var none R
		return none, err
	}
	return resultOf[R](ctx, p, t)
}

// LoadResult returns the result of a succeeded task that Get, WaitTask or Tasks has returned.
// If an exporter has saved it, LoadResult loads it through the exporter of the kind in
// Config.Exports; it returns ErrNoExporter if there is none.
func (p *Pool) LoadResult(ctx context.Context, t *task.Task) ([]byte, error) {
	if !t.Exported {
		return t.Result, nil
	}
	e, known := p.cfg.Exports[t.Kind]
	if !known {
		return nil, fmt.Errorf("result of task %s: %w: its reference is %s", t.ID, ErrNoExporter, t.Result)
	}
	result, err := e.Exporter.Load(ctx, t.Result)
	if err != nil {
		return nil, fmt.Errorf("load the result of task %s: %w", t.ID, err)
	}
	return result, nil
}

// Wait waits until a task has ended, or ctx ends, and returns what Result returns. If
// the task succeeded without a result and is gone, it returns a zero R. If the task is
// gone and its result was longer than task.MaxEventResult bytes, it returns
// ErrNotFound. See WaitTask for what is known of a task that is gone and for the cost
// of waiting.
func Wait[R any](ctx context.Context, p *Pool, id string) (R, error) {
	t, err := p.WaitTask(ctx, id)
	if err != nil {
		var none R
		return none, err
	}
	return resultOf[R](ctx, p, t)
}

func resultOf[R any](ctx context.Context, p *Pool, t *task.Task) (R, error) {
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
	}
	result, err := p.LoadResult(ctx, t)
	if err != nil || len(result) == 0 {
		return r, err
	}
	if err := json.Unmarshal(result, &r); err != nil {
		var none R
		return none, fmt.Errorf("result of task %s: %w", t.ID, err)
	}
	return r, nil
}
