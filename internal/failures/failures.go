// Package failures groups failed tasks that failed alike.
package failures

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// most is how many failed tasks are read, the newest ones.
const most = 2000

// Few failed tasks are read again whenever their number has changed, more of them once in
// every.
const (
	few   = 250
	every = 2 * time.Second
)

// Group is the failed tasks of one kind with one cause.
type Group struct {
	Key   string
	Tasks []*task.Task // as the store returned them; at least one
	First time.Time    // when the first of them failed
	Last  *task.Task   // the one that failed last
}

// Text returns the error of the latest task, or its code if it has none.
func (g Group) Text() string { return cmp.Or(g.Last.Error, string(g.Last.Code)) }

// Title returns the cause of the group.
func (g Group) Title() string { return Cause(g.Last) }

// keyOf returns the key of the group that a failed task belongs to.
func keyOf(t *task.Task) string { return t.Kind + " " + Cause(t) }

// Groups groups failed tasks, the largest group first.
func Groups(tasks []*task.Task) (groups []Group) {
	at := map[string]int{}
	for _, t := range tasks {
		key := keyOf(t)
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, Group{Key: key, First: t.EndedAt, Last: t})
		}
		g := &groups[i]
		g.Tasks = append(g.Tasks, t)
		if t.EndedAt.Before(g.First) {
			g.First = t.EndedAt
		}
		if t.EndedAt.After(g.Last.EndedAt) {
			g.Last = t
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Tasks), len(a.Tasks)), cmp.Compare(a.Key, b.Key))
	})
	return groups
}

// Reader reads the newest failed tasks that are kept. It reads them again only
// after a change of their number.
type Reader struct {
	counts [3]int64 // kept and ended failed tasks, and retries, at the last read
	at     time.Time
	groups []Group
	all    bool
}

// Read returns the groups. all is false if there are more than most tasks.
func (r *Reader) Read(ctx context.Context, store *redisstore.Store, s pool.Stats) (groups []Group, all bool, err error) {
	counts := [3]int64{int64(s.Kept[task.Failed]), s.Ended[task.Failed], s.Retried}
	recent := counts[0] > few && time.Since(r.at) < every
	if !r.at.IsZero() && (counts == r.counts || recent) {
		return r.groups, r.all, nil
	}
	tasks, err := store.Newest(ctx, task.Failed, most)
	if err != nil {
		return nil, false, err
	}
	*r = Reader{counts: counts, at: time.Now(), groups: Groups(tasks), all: s.Kept[task.Failed] <= most}
	return r.groups, r.all, nil
}

// Alike returns the ids of the tasks of the group.
func Alike(ctx context.Context, p *pool.Pool, g Group) ([]string, error) {
	f := pool.Filter{States: []pool.State{pool.Failed}, Kinds: []string{g.Last.Kind}}
	return client.Matching(ctx, p, f, func(t *task.Task) bool { return keyOf(t) == g.Key })
}
