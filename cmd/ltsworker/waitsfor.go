package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// holdUps knows what keeps tasks from starting. What it has read it does not read
// again for another task.
type holdUps struct {
	c        *client.Client
	read     bool // stats, replicas and err are
	stats    pool.Stats
	replicas []pool.ReplicaInfo
	err      error
	groups   map[string]pool.GroupInfo
}

// pool reads what the tasks share.
func (h *holdUps) pool(ctx context.Context) (pool.Stats, []pool.ReplicaInfo, error) {
	if !h.read {
		h.read = true
		if h.stats, h.err = h.c.Stats(ctx); h.err == nil {
			h.replicas, h.err = h.c.Replicas(ctx)
		}
	}
	return h.stats, h.replicas, h.err
}

// group reads a group, "" for none.
func (h *holdUps) group(ctx context.Context, name string) (pool.GroupInfo, error) {
	g, known := h.groups[name]
	if name == "" || known {
		return g, nil
	}
	_, groups, err := h.c.Groups(ctx, name)
	if err != nil {
		return g, err
	}
	if h.groups == nil {
		h.groups = map[string]pool.GroupInfo{}
	}
	h.groups[name] = groups[0]
	return groups[0], nil
}

// line is waitsFor, and why that is unknown. Only where Redis is gone, or somebody
// has interrupted, it fails: the task is there to be shown.
func (h *holdUps) line(ctx context.Context, t *task.Task) (string, error) {
	text, err := h.waitsFor(ctx, t)
	switch {
	case err == nil:
		return text, nil
	case ctx.Err() != nil, redisurl.IsNetwork(err):
		return "", err
	}
	return "unknown: " + terminal.Visible(strings.ReplaceAll(terminal.TidyError(err.Error()), "\n", "; ")), nil
}

// waitsFor says what keeps a waiting task from starting; "" is nothing but the
// tasks before it in line.
func (h *holdUps) waitsFor(ctx context.Context, t *task.Task) (string, error) {
	s, replicas, err := h.pool(ctx)
	if err != nil {
		return "", err
	}
	g, err := h.group(ctx, t.Group)
	if err != nil {
		return "", err
	}
	var q pool.QueueInfo
	if i := slices.IndexFunc(s.Queues, func(q pool.QueueInfo) bool { return q.Name == t.Queue }); i >= 0 {
		q = s.Queues[i]
	}
	replicas = slices.DeleteFunc(slices.Clone(replicas), func(r pool.ReplicaInfo) bool { return r.Draining || r.Queues[t.Queue] == 0 })
	slots := 0
	for _, r := range replicas {
		slots += r.Queues[t.Queue]
	}
	able := slices.ContainsFunc(replicas, func(r pool.ReplicaInfo) bool { return slices.Contains(r.Kinds, t.Kind) })
	switch {
	case s.Paused:
		return "resume: the pool is paused", nil
	case q.Paused:
		return "resume: the queue is paused", nil
	case len(replicas) == 0:
		return "a replica: none serves the queue", nil
	case !able:
		return "a replica with a handler for the kind", nil
	case g.Full():
		return fmt.Sprintf("a place in group %s: %d run, the limit is %d", terminal.Printable(g.Name), g.Running, g.Limit), nil
	case q.Limit > 0 && q.Running >= q.Limit:
		return fmt.Sprintf("a place in the queue: %d run, the limit is %d", q.Running, q.Limit), nil
	case s.Limit > 0 && s.Running >= s.Limit:
		return fmt.Sprintf("a place in the pool: %d run, the limit is %d", s.Running, s.Limit), nil
	case q.Running >= slots:
		return fmt.Sprintf("a slot: all %d for the queue are taken", slots), nil
	}
	return "", nil
}
