package top

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// snapshot is what the view shows of a pool.
type snapshot struct {
	stats    pool.Stats
	queues   []pool.QueueLoad
	replicas []pool.ReplicaInfo
	failures []failureGroup
	all      bool // failures are of all failed tasks that are kept
}

// poolCalls are the calls that the view makes.
type poolCalls struct{ *client.Client }

// look reads a snapshot, within the time stale.
func (p poolCalls) look(ctx context.Context) (snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, stale)
	defer cancel()
	var s snapshot
	var err error
	if s.stats, err = p.Stats(ctx); err != nil {
		return s, err
	}
	if s.queues, err = p.Load(ctx); err != nil {
		return s, err
	}
	if s.replicas, err = p.Replicas(ctx); err != nil {
		return s, err
	}
	s.failures, s.all, err = readFailures(ctx, p.Client)
	return s, err
}

// action is what a key does. If it changes tasks or replicas it has a question, which
// is asked first.
type action struct {
	question string
	// do performs it. It calls changed after each batch of tasks, and returns what to
	// show.
	do func(ctx context.Context, changed func(n int)) (says string, err error)
}

// pause pauses or resumes a queue, "" for the whole pool. It has no question, since the
// other key undoes it.
func (p poolCalls) pause(queue string, on bool) action {
	what := "the whole pool"
	if queue != "" {
		what = "queue " + terminal.Printable(queue)
	}
	return action{do: func(ctx context.Context, _ func(int)) (string, error) {
		if on {
			return "paused " + what, p.Pause(ctx, queue)
		}
		return "resumed " + what, p.Resume(ctx, queue)
	}}
}

// stop returns the action that stops the live tasks that match f now. of describes them
// in the question.
func (p poolCalls) stop(ctx context.Context, f pool.Filter, of string) (action, error) {
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
		return "stopped " + terminal.Count(n, "task") + client.Loss(n), err
	}}, nil
}

// retry returns the action that puts the tasks of the group back into their queues.
func (p poolCalls) retry(ctx context.Context, g failureGroup) (action, error) {
	ids, err := failedAlike(ctx, p.Client, g)
	if err != nil || len(ids) == 0 {
		return action{}, cmp.Or(err, errors.New("they are gone"))
	}
	question := fmt.Sprintf("retry %s of kind %s: %s?", terminal.Count(len(ids), "failed task"), terminal.Printable(g.kind), terminal.Printable(terminal.Cut(cmp.Or(g.error, string(g.code)), 40)))
	return action{question: question, do: func(ctx context.Context, changed func(int)) (string, error) {
		all, err := p.Watched(changed)
		if err != nil {
			return "", err
		}
		n, err := all.Retry(ctx, task.Filter{IDs: ids, States: []task.State{task.Failed}})
		return "put back " + terminal.Count(n, "task"), err
	}}, nil
}

// drain returns the action that asks the replica to drain.
func (p poolCalls) drain(r pool.ReplicaInfo) action {
	question := fmt.Sprintf("drain replica %s on %s, which runs %s?", terminal.Printable(r.ID), terminal.Printable(r.Host), terminal.Count(r.Running, "task"))
	return action{question: question, do: func(ctx context.Context, _ func(int)) (string, error) {
		_, err := p.Drain(ctx, r.ID)
		return "asked replica " + terminal.Printable(r.ID) + " to drain", err
	}}
}

// stale is the age from which the picture is marked as old. It is also the longest time
// that a read may take.
const stale = 5 * time.Second
