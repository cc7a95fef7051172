package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// action is what a key does. If it has a question, that is asked first.
type action struct {
	question string
	// do performs it. It calls changed after each batch of tasks, and returns what to
	// show.
	do func(ctx context.Context, changed func(n int)) (says string, err error)
}

// actions makes the actions on a pool.
type actions struct{ *client.Client }

// pause pauses or resumes a queue, "" for the whole pool. Only the whole pool has a
// question: the other key undoes the change of one queue.
func (p actions) pause(queue string, on bool) action {
	what, question := "the whole pool", "resume the whole pool?"
	switch {
	case queue != "":
		what, question = "queue "+terminal.Printable(queue), ""
	case on:
		question = "pause the whole pool: no replica starts a task until it is resumed?"
	}
	return action{question: question, do: func(ctx context.Context, _ func(int)) (string, error) {
		if on {
			return "paused " + what, p.Pause(ctx, queue)
		}
		return "resumed " + what, p.Resume(ctx, queue)
	}}
}

// stop returns the action that stops the live tasks that match f now. of describes them
// in the question.
func (p actions) stop(ctx context.Context, f pool.Filter, of string) (action, error) {
	f.States = pool.LiveStates()
	ids, err := client.Matching(ctx, p.Pool, f, nil)
	if err != nil || len(ids) == 0 {
		return action{}, cmp.Or(err, errors.New("no live task "+of))
	}
	f.IDs = ids
	question := fmt.Sprintf("stop %s %s?", terminal.Count(len(ids), "live task"), of)
	if n := client.Dropped(len(ids)); n > 0 {
		question = fmt.Sprintf("stop %s %s, about %d of them not kept?", terminal.Count(len(ids), "live task"), of, n)
	}
	return action{question: question, do: func(ctx context.Context, changed func(int)) (string, error) {
		all, err := p.Watched(changed)
		if err != nil {
			return "", err
		}
		n, err := all.Stop(ctx, f, "stopped in top")
		return "requested the stop of " + terminal.Count(n, "task") + client.Loss(n), err
	}}, nil
}

// retryAlike returns the action that puts the tasks of the group back into their queues.
func (p actions) retryAlike(ctx context.Context, g failures.Group) (action, error) {
	ids, err := failures.Alike(ctx, p.Pool, g)
	if err != nil || len(ids) == 0 {
		return action{}, cmp.Or(err, errors.New("they are gone"))
	}
	of := fmt.Sprintf("of kind %s: %s", terminal.Printable(g.Last.Kind), terminal.Printable(terminal.Cut(g.Text(), 40)))
	return p.retry(pool.Filter{IDs: ids, States: []pool.State{task.Failed}}, fmt.Sprintf("retry %s %s?", terminal.Count(len(ids), "failed task"), of)), nil
}

// retry returns the action that puts the ended tasks of f back into their queues.
func (p actions) retry(f pool.Filter, question string) action {
	return action{question: question, do: func(ctx context.Context, changed func(int)) (string, error) {
		all, err := p.Watched(changed)
		if err != nil {
			return "", err
		}
		n, err := all.Retry(ctx, f)
		return "put back " + terminal.Count(n, "task"), err
	}}
}

// runNow returns the action that puts the scheduled tasks of f into their queues.
func (p actions) runNow(f pool.Filter, question string) action {
	return action{question: question, do: func(ctx context.Context, changed func(int)) (string, error) {
		all, err := p.Watched(changed)
		if err != nil {
			return "", err
		}
		n, err := all.RunNow(ctx, f)
		return "queued " + terminal.Count(n, "task"), err
	}}
}

// drain returns the action that asks the replica to drain.
func (p actions) drain(r pool.ReplicaInfo) action {
	question := fmt.Sprintf("drain replica %s on %s, which runs %s?", terminal.Printable(r.ID), terminal.Printable(r.Host), terminal.Count(r.Running, "task"))
	return action{question: question, do: func(ctx context.Context, _ func(int)) (string, error) {
		_, err := p.Drain(ctx, r.ID)
		return "asked replica " + terminal.Printable(r.ID) + " to drain", err
	}}
}
