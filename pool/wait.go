package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// The number of events that are searched for the end of a task that is gone.
const (
	lookBack     = 10_000
	lookBackPage = 1000
)

// WaitTask waits until a task has ended, in whatever state, and returns it.
//
// A task that is removed with its end (by default one that succeeds without a result)
// is rebuilt from its last event. It then has ID, Kind, Queue, Group, Headers, State,
// Code, Error, Attempt, Version, Replica, EndedAt, and a Result of up to
// task.MaxEventResult bytes, or the length of a longer one in ResultLost; the other
// fields are zero. If the task was gone before the call, its end is searched in the
// newest 10,000 events. WaitTask returns ErrNotFound if it is not among them, and for a
// task that never existed.
//
// An entry in the inbox is not a task yet: WaitTask returns ErrNotFound for it, too.
//
// Concurrent calls share one reader of the event stream, which uses one connection. It
// ends a second after the last call and reads every event of the pool meanwhile. A call
// itself costs one read of the task before the wait and one after.
//
// During outages of the store WaitTask waits, but it returns an error of its first
// calls. It returns Task.Broken of a task without a state. If ctx ends, WaitTask
// returns the error of ctx; the task is not affected.
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
	// Listen before the task is read, so that no end is missed in between.
	w, err := p.ends.join(ctx, id)
	if err != nil {
		return nil, err
	}
	defer w.leave()
	if t, err = p.find(ctx, id); err == nil && t == nil {
		return p.rebuild(ctx, id)
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
		case <-w.updated:
		}
		end, reread, err := w.take()
		if err != nil {
			return nil, err
		}
		if end != nil && !endOf(alive, end) {
			end, reread = nil, true // it is the end after all if the clock of the store was set back
		}
		if end == nil && !reread {
			continue
		}
		// Read the task also after an event: it has more fields.
		t, err := p.retryRead(ctx, id, p.find)
		switch {
		case err != nil:
			return nil, err
		case t != nil && t.State.Terminal():
			return t, nil
		case end != nil:
			return fromEvent(end), nil // gone, or retried meanwhile
		case t == nil:
			return p.retryRead(ctx, id, p.rebuild)
		case t.State == "":
			return nil, t.Broken
		}
		alive = t
	}
}

// endOf reports whether e is an end of the task that is later than alive, the task as it
// was read. If the reader of the stream is behind, e may be the end of an earlier
// generation, or of an earlier task with the same id.
func endOf(alive *task.Task, e *Event) bool {
	return e.Version > alive.Version && !e.At.Before(alive.CreatedAt)
}

// retryRead calls read, which is find or rebuild, until an outage is over.
func (p *Pool) retryRead(ctx context.Context, id string, read func(context.Context, string) (*task.Task, error)) (*task.Task, error) {
	out := outage{log: p.log, what: "read a task"}
	for {
		t, err := read(ctx, id)
		if err == nil || errors.Is(err, ErrNotFound) {
			out.recovered()
			return t, err
		}
		if err := out.pause(ctx, err); err != nil {
			return nil, err
		}
	}
}

// rebuild makes a task that is gone from its last event.
func (p *Pool) rebuild(ctx context.Context, id string) (*task.Task, error) {
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

// Find reads tasks in the order of the ids. A task that is gone is rebuilt from its
// last event, as by WaitTask. The element is nil if there is no such event either.
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

		Exported: e.Exported,
		Broken:   e.Broken,

		ResultLost: e.ResultBytes,
	}
}
