// Package holdup finds what keeps a waiting task from starting: a pause, a limit, no
// replica for it, or no free slot.
package holdup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Finder finds what keeps tasks from starting. It reads the state of the pool once and
// uses it for all tasks.
type Finder struct {
	p        *pool.Pool
	read     bool // stats, replicas and err are set
	stats    pool.Stats
	replicas []pool.ReplicaInfo
	err      error
	groups   map[string]pool.GroupInfo
}

// New makes a Finder for a pool.
func New(p *pool.Pool) *Finder { return &Finder{p: p} }

// pool reads what is the same for all tasks.
func (h *Finder) pool(ctx context.Context) (pool.Stats, []pool.ReplicaInfo, error) {
	if !h.read {
		h.read = true
		if h.stats, h.err = h.p.Stats(ctx); h.err == nil {
			h.replicas, h.err = h.p.Replicas(ctx)
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
	_, groups, err := h.p.Groups(ctx, name)
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
	text, _, _, err := h.waitsFor(ctx, t)
	switch {
	case err == nil:
		return text, nil
	case ctx.Err() != nil, redisurl.IsNetwork(err):
		return "", err
	}
	return "unknown: " + terminal.Visible(strings.ReplaceAll(terminal.TidyError(err.Error()), "\n", "; ")), nil
}

// mostHolders is how many holders are read at most.
const mostHolders = 3

// Holders returns running tasks that hold what a waiting task waits for: the limit of its
// group, its queue or the pool, or the slots for its queue. more is how many others do. It
// returns none if the task waits for something else, or if that is unknown. It fails only
// if Redis cannot be used or ctx has ended.
func (h *Finder) Holders(ctx context.Context, t *task.Task) (holders []*task.Task, more int, err error) {
	_, held, running, err := h.waitsFor(ctx, t)
	if err == nil && held != nil {
		for holder, e := range h.p.Tasks(ctx, *held) {
			if err = e; err != nil || len(holders) == mostHolders {
				break
			}
			holders = append(holders, holder)
		}
	}
	switch {
	case err == nil:
		return holders, max(running-len(holders), 0), nil
	case ctx.Err() != nil, redisurl.IsNetwork(err):
		return nil, 0, err
	}
	return nil, 0, nil
}

// waitsFor returns what keeps a waiting task from starting. "" means that only the
// tasks before it in the queue do. If running tasks do, held selects them, and running is
// their number.
func (h *Finder) waitsFor(ctx context.Context, t *task.Task) (text string, held *task.Filter, running int, err error) {
	s, replicas, err := h.pool(ctx)
	if err != nil {
		return "", nil, 0, err
	}
	g, err := h.group(ctx, t.Group)
	if err != nil {
		return "", nil, 0, err
	}
	var q pool.QueueInfo
	if i := slices.IndexFunc(s.Queues, func(q pool.QueueInfo) bool { return q.Name == t.Queue }); i >= 0 {
		q = s.Queues[i]
	}
	replicas = slices.DeleteFunc(slices.Clone(replicas), func(r pool.ReplicaInfo) bool { return r.Draining || r.Queues[t.Queue] == 0 })
	serving := replicas
	replicas = slices.DeleteFunc(slices.Clone(replicas), func(r pool.ReplicaInfo) bool { return !r.Takes(t.Labels) })
	slots := 0
	for _, r := range replicas {
		slots += r.Queues[t.Queue]
	}
	able := slices.ContainsFunc(replicas, func(r pool.ReplicaInfo) bool {
		return slices.Contains(r.Kinds, t.Kind) && !slices.Contains(r.Disabled, t.Kind)
	})
	ofPool := task.Filter{States: []task.State{task.Running}, Brief: true}
	ofQueue, ofGroup := ofPool, ofPool
	ofQueue.Queues, ofGroup.Groups = []string{t.Queue}, []string{t.Group}
	switch {
	case s.Paused:
		return "resume: the pool is paused", nil, 0, nil
	case q.Paused:
		return "resume: the queue is paused", nil, 0, nil
	case len(serving) == 0:
		return noReplica, nil, 0, nil
	case len(replicas) == 0:
		return lacking(t, serving), nil, 0, nil
	case !able:
		return noHandler, nil, 0, nil
	case refusing(replicas):
		r := replicas[0]
		return fmt.Sprintf("a replica that takes tasks: all of the queue refuse them, such as %s: %s", terminal.Printable(r.ID), terminal.Printable(r.Refuses)), nil, 0, nil
	case slices.Contains(s.Full, t.Kind):
		return "saves: too many results of its kind are staged, see queue " + task.ExportQueue + terminal.Printable(t.Kind), nil, 0, nil
	case g.Full():
		return fmt.Sprintf("the end of a task of group %s: %d run, the limit is %d", terminal.Printable(g.Name), g.Running, g.Limit), &ofGroup, g.Running, nil
	case q.Limit > 0 && q.Running >= q.Limit:
		return fmt.Sprintf("the end of a task of the queue: %d run, the limit is %d", q.Running, q.Limit), &ofQueue, q.Running, nil
	case s.Limit > 0 && s.Running >= s.Limit:
		return fmt.Sprintf("the end of a task of the pool: %d run, the limit is %d", s.Running, s.Limit), &ofPool, s.Running, nil
	case !g.RateUntil.IsZero():
		return fmt.Sprintf("the rate of group %s, %v: the next task may start at %s", terminal.Printable(g.Name), g.Rate, rateTime(g.RateUntil)), nil, 0, nil
	case !q.RateUntil.IsZero():
		return fmt.Sprintf("the rate of the queue, %v: the next task may start at %s", q.Rate, rateTime(q.RateUntil)), nil, 0, nil
	case q.Running >= slots:
		return fmt.Sprintf("a slot: all %d for the queue are taken", slots), &ofQueue, q.Running, nil
	}
	return "", nil, 0, nil
}

// rateTime returns when a task may start, with ms.
func rateTime(at time.Time) string { return at.Local().Format("15:04:05.000") }

// refusing reports whether all replicas refuse tasks.
func refusing(replicas []pool.ReplicaInfo) bool {
	return !slices.ContainsFunc(replicas, func(r pool.ReplicaInfo) bool { return r.Refuses == "" })
}

// What a task waits for that no live replica can run.
const (
	noReplica = "a replica: none serves the queue"
	noHandler = "a replica with a handler for the kind"
	noLabels  = "a replica that takes tasks without labels: "
	allLabels = "a replica with the labels "
)

// lacking says which labels keep all replicas of its queue from taking a task.
func lacking(t *task.Task, serving []pool.ReplicaInfo) string {
	closest := terminal.Printable(task.Closest(serving, t.Labels))
	if len(t.Labels) == 0 {
		return noLabels + closest
	}
	return fmt.Sprintf("%s%s: %s", allLabels, terminal.Printable(strings.Join(t.Labels, " ")), closest)
}

// Unserved returns why no live replica can run a task that has not started, "" if one can
// or if that is unknown.
func (h *Finder) Unserved(ctx context.Context, t *task.Task) string {
	if t.State != task.Waiting {
		return ""
	}
	switch text, _, _, err := h.waitsFor(ctx, t); {
	case err != nil:
		return ""
	case text == noReplica:
		return "no replica serves queue " + terminal.Printable(t.Queue)
	case text == noHandler:
		return "no replica of queue " + terminal.Printable(t.Queue) + " has a handler for kind " + terminal.Printable(t.Kind)
	case strings.HasPrefix(text, noLabels), strings.HasPrefix(text, allLabels):
		return "no replica of queue " + terminal.Printable(t.Queue) + " takes it, it waits for " + text
	}
	return ""
}
