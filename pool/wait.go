package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// How far back the event stream is searched for the end of a task that is gone.
const (
	lookBack     = 10_000
	lookBackPage = 1000
)

// WaitTask waits until a task has ended, however it did, and returns it.
//
// A task that leaves Redis with its end (by default one that succeeds without a
// result) is rebuilt from its last event: ID, Kind, Queue, Group, Headers, State, Code,
// Error, Attempt, Version, Replica, EndedAt and a Result of up to
// task.MaxEventResult bytes, or the length of a longer one in ResultLost; the rest is
// zero. One that had ended and was gone before the call is found among the newest
// 10,000 events, later it is ErrNotFound, like one that never was.
//
// An entry that is still in the inbox is no task yet: that is ErrNotFound, too.
//
// Calls that wait at once share one reader of the event stream, with a connection
// of its own. It lives as long as there is one of them and a second longer, and
// reads every event of the pool meanwhile; the call itself costs a read of the
// task before and one after. Outages of the store are waited for, but an error
// of its first answers is returned, and so is Task.Broken of a task without a state.
// When ctx ends its error is returned; the task goes on.
func (p *Pool) WaitTask(ctx context.Context, id string) (*task.Task, error) {
	t, err := p.waitTask(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("wait for task %s: %w", id, err)
	}
	return t, nil
}

func (p *Pool) waitTask(ctx context.Context, id string) (t *task.Task, err error) {
	if err := checkName("id", id); err != nil {
		return nil, err
	}
	// Listening begins before the task is read, so that no end falls in between.
	w, err := p.ends.join(ctx, id)
	if err != nil {
		return nil, err
	}
	defer w.leave()
	if t, err = p.find(ctx, id); err == nil && t == nil {
		return p.gone(ctx, id)
	}
	if err != nil || t.State.Terminal() {
		return t, err
	}
	if t.State == "" {
		return nil, t.Broken
	}

	for alive := t; ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.note:
		}
		end, reread, err := w.take()
		if err != nil {
			return nil, err
		}
		if end != nil && !endOf(alive, end) {
			end = nil
		}
		if end == nil && !reread {
			continue
		}
		// Also after an event: the task holds more than it.
		t, err := p.patiently(ctx, id, p.find)
		switch {
		case err != nil:
			return nil, err
		case t != nil && t.State.Terminal():
			return t, nil
		case end != nil:
			return fromEvent(end), nil // gone, or retried since
		case t == nil:
			return p.patiently(ctx, id, p.gone)
		case t.State == "":
			return nil, t.Broken
		}
		alive = t
	}
}

// endOf reports whether e ended the task after it was seen alive. The reader of
// the stream may be behind, with the end of an earlier generation, or of an
// earlier task with the same id, still to come.
func endOf(alive *task.Task, e *Event) bool {
	return e.Version > alive.Version && !e.At.Before(alive.CreatedAt)
}

// patiently calls read, which is find or gone, again until an outage is over.
func (p *Pool) patiently(ctx context.Context, id string, read func(context.Context, string) (*task.Task, error)) (*task.Task, error) {
	out := outage{log: p.log, what: "read a task"}
	for {
		t, err := read(ctx, id)
		if err == nil || errors.Is(err, ErrNotFound) {
			out.over()
			return t, err
		}
		if err := out.pause(ctx, err); err != nil {
			return nil, err
		}
	}
}

// gone rebuilds a task that is not there any more from its last event.
func (p *Pool) gone(ctx context.Context, id string) (*task.Task, error) {
	ends, err := p.lastEnds(ctx, id)
	if err != nil {
		return nil, err
	}
	e, ok := ends[id]
	if !ok {
		return nil, ErrNotFound
	}
	return fromEvent(&e), nil
}

// lastEnds searches the newest events for the latest end of each task.
func (p *Pool) lastEnds(ctx context.Context, ids ...string) (map[string]Event, error) {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	ends := map[string]Event{}
	before := ""
	for n := 0; n < lookBack && len(ends) < len(wanted); {
		page, err := p.store.RecentEvents(ctx, before, lookBackPage)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if _, newer := ends[e.ID]; wanted[e.ID] && !newer && e.State.Terminal() {
				ends[e.ID] = e
			}
		}
		n += len(page)
		before = page[len(page)-1].Cursor
	}
	return ends, nil
}

// Find reads tasks as they are now, and those that are gone from their last events,
// as WaitTask does, in the order of the ids. Where there is neither the task is nil.
func (p *Pool) Find(ctx context.Context, ids ...string) ([]*task.Task, error) {
	var errs []error
	for _, id := range ids {
		errs = append(errs, checkName("id", id))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("find tasks: %w", err)
	}
	tasks, err := p.store.Get(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var missing []string
	for i, t := range tasks {
		if t == nil {
			missing = append(missing, ids[i])
		}
	}
	ends, err := p.lastEnds(ctx, missing...)
	if err != nil {
		return nil, err
	}
	for i, t := range tasks {
		if e, ok := ends[ids[i]]; ok && t == nil {
			tasks[i] = fromEvent(&e)
		}
	}
	return tasks, nil
}

func fromEvent(e *Event) *task.Task {
	return &task.Task{
		Spec:    task.Spec{ID: e.ID, Kind: e.Kind, Queue: e.Queue, Group: e.Group, Headers: e.Meta},
		State:   e.State,
		Attempt: e.Attempt,
		Version: e.Version,
		EndedAt: e.At,
		Replica: e.Replica,
		Code:    e.Code,
		Error:   e.Error,
		Result:  e.Result,
		Broken:  e.Broken,

		ResultLost: e.ResultBytes,
	}
}
