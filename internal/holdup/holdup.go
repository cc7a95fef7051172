// Package holdup finds what keeps a waiting task from starting: a pause, a limit, no
// replica for it, or no free slot.
package holdup

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

// Finder finds what keeps tasks from starting. It reads the state of the pool once and
// uses it for all tasks.
type Finder struct {
	c        *client.Client
	read     bool // stats, replicas and err are set
	stats    pool.Stats
	replicas []pool.ReplicaInfo
	err      error
	groups   map[string]pool.GroupInfo
}

// New makes a Finder for the pool of c.
func New(c *client.Client) *Finder { return &Finder{c: c} }

// pool reads what is the same for all tasks.
func (h *Finder) pool(ctx context.Context) (pool.Stats, []pool.ReplicaInfo, error) {
	if !h.read {
		h.read = true
		if h.stats, h.err = h.c.Stats(ctx); h.err == nil {
			h.replicas, h.err = h.c.Replicas(ctx)
		}
	}
	return h.stats, h.replicas, h.err
}

// group reads a group, "" for none.
func (h *Finder) group(ctx context.Context, name string) (pool.GroupInfo, error) {
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

// Line returns what keeps a waiting task from starting, or says why that is unknown. It
// fails only if Redis cannot be used or ctx has ended.
func (h *Finder) Line(ctx context.Context, t *task.Task) (string, error) {
	text, err := h.waitsFor(ctx, t)
	switch {
	case err == nil:
		return text, nil
	case ctx.Err() != nil, redisurl.IsNetwork(err):
		return "", err
	}
	return "unknown: " + terminal.Visible(strings.ReplaceAll(terminal.TidyError(err.Error()), "\n", "; ")), nil
}

// waitsFor returns what keeps a waiting task from starting. "" means that only the
// tasks before it in the queue do.
func (h *Finder) waitsFor(ctx context.Context, t *task.Task) (string, error) {
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
		return fmt.Sprintf("the end of a task of group %s: %d run, the limit is %d", terminal.Printable(g.Name), g.Running, g.Limit), nil
	case q.Limit > 0 && q.Running >= q.Limit:
		return fmt.Sprintf("the end of a task of the queue: %d run, the limit is %d", q.Running, q.Limit), nil
	case s.Limit > 0 && s.Running >= s.Limit:
		return fmt.Sprintf("the end of a task of the pool: %d run, the limit is %d", s.Running, s.Limit), nil
	case q.Running >= slots:
		return fmt.Sprintf("a slot: all %d for the queue are taken", slots), nil
	}
	return "", nil
}
