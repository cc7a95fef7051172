package top

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// failureGroup is the failed tasks of one kind with the same code and, numbers aside,
// the same error.
type failureGroup struct {
	key   string
	tasks []*task.Task // as the store returned them; at least one
	first time.Time    // when the first of them failed
	last  *task.Task   // the one that failed last
}

// numbers matches the numbers in errors, such as ports, ids and times. Errors that
// differ only in them are in one group.
var numbers = regexp.MustCompile(`[0-9]+`)

// failureKey returns the key of the group that the task belongs to.
func failureKey(t *task.Task) string {
	return t.Kind + " " + string(t.Code) + " " + numbers.ReplaceAllString(t.Error, "0")
}

// groupFailures groups failed tasks, the largest group first.
func groupFailures(tasks []*task.Task) (groups []failureGroup) {
	at := map[string]int{}
	for _, t := range tasks {
		key := failureKey(t)
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, failureGroup{key: key, first: t.EndedAt, last: t})
		}
		g := &groups[i]
		g.tasks = append(g.tasks, t)
		if t.EndedAt.Before(g.first) {
			g.first = t.EndedAt
		}
		if t.EndedAt.After(g.last.EndedAt) {
			g.last = t
		}
	}
	slices.SortStableFunc(groups, func(a, b failureGroup) int {
		return cmp.Or(cmp.Compare(len(b.tasks), len(a.tasks)), cmp.Compare(a.key, b.key))
	})
	return groups
}

// failureReader reads the newest failed tasks that are kept. It reads them again only
// after a change of their number.
type failureReader struct {
	counts [3]int64 // kept and ended failed tasks, and retries, at the last read
	at     time.Time
	groups []failureGroup
	all    bool
}

// read returns the groups. all is false if there are more than mostFailures tasks.
func (r *failureReader) read(ctx context.Context, store *redisstore.Store, s pool.Stats) (groups []failureGroup, all bool, err error) {
	counts := [3]int64{int64(s.Kept[task.Failed]), s.Ended[task.Failed], s.Retried}
	recent := counts[0] > fewFailures && time.Since(r.at) < failuresEvery
	if !r.at.IsZero() && (counts == r.counts || recent) {
		return r.groups, r.all, nil
	}
	tasks, err := store.Newest(ctx, task.Failed, mostFailures)
	if err != nil {
		return nil, false, err
	}
	*r = failureReader{counts: counts, at: time.Now(), groups: groupFailures(tasks), all: s.Kept[task.Failed] <= mostFailures}
	return r.groups, r.all, nil
}

// failedAlike returns the ids of the tasks of the group.
func failedAlike(ctx context.Context, c *client.Client, g failureGroup) ([]string, error) {
	f := pool.Filter{States: []pool.State{pool.Failed}, Kinds: []string{g.last.Kind}}
	return client.Matching(ctx, c.Pool, f, func(t *task.Task) bool { return failureKey(t) == g.key })
}
