// Package holdup finds what keeps a waiting task from starting: a pause, a limit, no
// replica for it, or no free slot.
package holdup

import (
	"context"
	"fmt"
	"maps"
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

// Of makes a Finder that uses a state of the pool and its replicas that were read before.
func Of(p *pool.Pool, stats pool.Stats, replicas []pool.ReplicaInfo) *Finder {
	return &Finder{p: p, read: true, stats: stats, replicas: replicas}
}

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

// Reason is what keeps a waiting task from starting. The zero Reason means that only the tasks
// before it in the queue do.
type Reason struct {
	Code string // one of the keys of sayings
	Args []any
}

// sayings are the reasons in English, with the verbs of fmt for their Args.
var sayings = map[string]string{
	"pool_paused":  "resume: the pool is paused",
	"queue_paused": "resume: the queue is paused",
	"no_replica":   "a replica: none serves the queue",
	"no_handler":   "a replica with a handler for the kind",
	"no_labels":    "a replica that takes tasks without labels: %s", // the closest replicas
	"labels":       "a replica with the labels %s: %s",              // labels, the closest replicas
	"refused":      "a replica that takes tasks: all of the queue refuse them, such as %s: %s",
	"staged":       "saves: too many results of its kind are staged, see queue %s",
	"group_limit":  "the end of a task of group %s: %d run, the limit is %d",
	"queue_limit":  "the end of a task of the queue: %d run, the limit is %d",
	"pool_limit":   "the end of a task of the pool: %d run, the limit is %d",
	"group_rate":   "the rate of group %s, %v: the next task may start at %s",
	"queue_rate":   "the rate of the queue, %v: the next task may start at %s",
	"slots":        "a slot: all %d for the queue are taken",
}

// Codes returns the codes of all reasons, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(sayings)) }

// String returns the reason in English, for a terminal; "" for the zero Reason.
func (r Reason) String() string {
	args := slices.Clone(r.Args)
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = terminal.Printable(text)
		}
	}
	return fmt.Sprintf(sayings[r.Code], args...)
}

// Reason returns what keeps a waiting task from starting. Of an unowned task it returns why no
// live replica can take it over.
func (h *Finder) Reason(ctx context.Context, t *task.Task) (Reason, error) {
	why, _, _, err := h.waitsFor(ctx, t)
	return why, err
}

// Line returns what keeps a waiting task from starting, or an unowned one from its take-over,
// or says why that is unknown. It fails only if Redis cannot be used or ctx has ended.
func (h *Finder) Line(ctx context.Context, t *task.Task) (string, error) {
	why, err := h.Reason(ctx, t)
	switch {
	case err == nil && t.Unowned && why.Code == "":
		return "a take-over of its job", nil
	case err == nil && t.Unowned:
		return "a take-over of its job by " + why.String(), nil
	case err == nil:
		return why.String(), nil
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

// waitsFor returns what Reason does. If running tasks keep the task from starting, held is a
// filter that selects them, and running is how many they are.
func (h *Finder) waitsFor(ctx context.Context, t *task.Task) (why Reason, held *task.Filter, running int, err error) {
	s, replicas, err := h.pool(ctx)
	if err != nil {
		return why, nil, 0, err
	}
	g, err := h.group(ctx, t.Group)
	if err != nil {
		return why, nil, 0, err
	}
	var q pool.QueueInfo
	if i := slices.IndexFunc(s.Queues, func(q pool.QueueInfo) bool { return q.Name == t.Queue }); i >= 0 {
		q = s.Queues[i]
	}
	missing, replicas := unserved(replicas, t)
	slots := 0
	for _, r := range replicas {
		slots += r.Queues[t.Queue]
	}
	ofPool := task.Filter{States: []task.State{task.Running}, Brief: true}
	ofQueue, ofGroup := ofPool, ofPool
	ofQueue.Queues, ofGroup.Groups = []string{t.Queue}, []string{t.Group}
	switch {
	case t.Unowned:
		return missing, nil, 0, nil
	case s.Paused:
		return because("pool_paused"), nil, 0, nil
	case q.Paused:
		return because("queue_paused"), nil, 0, nil
	case missing.Code != "":
		return missing, nil, 0, nil
	case refusing(replicas):
		return because("refused", replicas[0].ID, replicas[0].Refuses), nil, 0, nil
	case slices.Contains(s.Full, t.Kind):
		return because("staged", task.ExportQueue+t.Kind), nil, 0, nil
	case g.Full():
		return because("group_limit", g.Name, g.Running, g.Limit), &ofGroup, g.Running, nil
	case q.Limit > 0 && q.Running >= q.Limit:
		return because("queue_limit", q.Running, q.Limit), &ofQueue, q.Running, nil
	case s.Limit > 0 && s.Running >= s.Limit:
		return because("pool_limit", s.Running, s.Limit), &ofPool, s.Running, nil
	case !g.RateUntil.IsZero():
		return because("group_rate", g.Name, g.Rate, Start(g.RateUntil)), nil, 0, nil
	case !q.RateUntil.IsZero():
		return because("queue_rate", q.Rate, Start(q.RateUntil)), nil, 0, nil
	case q.Running >= slots:
		return because("slots", slots), &ofQueue, q.Running, nil
	}
	return why, nil, 0, nil
}

func because(code string, args ...any) Reason { return Reason{code, args} }

// unserved returns why none of the replicas can run a task, the zero Reason if one can, and
// those that take tasks with its labels from its queue.
func unserved(replicas []pool.ReplicaInfo, t *task.Task) (Reason, []pool.ReplicaInfo) {
	serving := slices.DeleteFunc(slices.Clone(replicas), func(r pool.ReplicaInfo) bool { return r.Draining || r.Queues[t.Queue] == 0 })
	taking := slices.DeleteFunc(slices.Clone(serving), func(r pool.ReplicaInfo) bool { return !r.Takes(t.Labels) })
	able := slices.ContainsFunc(taking, func(r pool.ReplicaInfo) bool {
		return slices.Contains(r.Kinds, t.Kind) && !slices.Contains(r.Disabled, t.Kind)
	})
	switch {
	case len(serving) == 0:
		return because("no_replica"), taking
	case len(taking) == 0 && len(t.Labels) == 0:
		return because("no_labels", task.Closest(serving, nil)), taking
	case len(taking) == 0:
		return because("labels", strings.Join(t.Labels, " "), task.Closest(serving, t.Labels)), taking
	case !able:
		return because("no_handler"), taking
	}
	return Reason{}, taking
}

// Start is when a task may start. As a text it is the local time of this process, with ms.
type Start time.Time

// String returns the time of day.
func (s Start) String() string { return time.Time(s).Local().Format("15:04:05.000") }

// refusing reports whether all replicas refuse tasks.
func refusing(replicas []pool.ReplicaInfo) bool {
	return !slices.ContainsFunc(replicas, func(r pool.ReplicaInfo) bool { return r.Refuses == "" })
}

// Unserved returns why no live replica can run a task that has not started, "" if one can
// or if that is unknown.
func (h *Finder) Unserved(ctx context.Context, t *task.Task) string {
	if t.State != task.Waiting {
		return ""
	}
	why, err := h.Reason(ctx, t)
	if err != nil {
		return ""
	}
	switch why.Code {
	case "no_replica":
		return "no replica serves queue " + terminal.Printable(t.Queue)
	case "no_handler":
		return "no replica of queue " + terminal.Printable(t.Queue) + " has a handler for kind " + terminal.Printable(t.Kind)
	case "no_labels", "labels":
		return "no replica of queue " + terminal.Printable(t.Queue) + " takes it, it waits for " + why.String()
	}
	return ""
}
