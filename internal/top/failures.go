package top

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// failureGroup is the failed tasks of one kind with the same code and, numbers aside,
// the same error.
type failureGroup struct {
	key   string
	kind  string
	code  task.Code
	error string // of the latest of them
	tasks int
	last  time.Time // when the latest of them failed
}

// mostFailures is how many failed tasks are read at most.
const mostFailures = 2000

// numbers matches the numbers in errors, such as ports, ids and times. Errors that
// differ only in them are in one group.
var numbers = regexp.MustCompile(`[0-9]+`)

// failureKey returns the key of the group that the task belongs to.
func failureKey(t *task.Task) string {
	return t.Kind + " " + string(t.Code) + " " + numbers.ReplaceAllString(t.Error, "0")
}

// readFailures groups the failed tasks that are kept, the largest group first. all is
// false if there are more than mostFailures.
func readFailures(ctx context.Context, c *client.Client) (groups []failureGroup, all bool, err error) {
	byKey := map[string]*failureGroup{}
	n := 0
	for t, err := range c.Tasks(ctx, pool.Filter{States: []pool.State{pool.Failed}, Brief: true}) {
		if err != nil {
			return nil, false, err
		}
		if n++; n > mostFailures {
			break
		}
		key := failureKey(t)
		g := byKey[key]
		if g == nil {
			g = &failureGroup{key: key, kind: t.Kind, code: t.Code, error: t.Error}
			byKey[key] = g
		}
		g.tasks++
		if t.EndedAt.After(g.last) {
			g.last, g.error = t.EndedAt, t.Error
		}
	}
	for _, g := range byKey {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b failureGroup) int {
		return cmp.Or(cmp.Compare(b.tasks, a.tasks), cmp.Compare(a.kind, b.kind), cmp.Compare(a.error, b.error))
	})
	return groups, n <= mostFailures, nil
}

// failedAlike returns the ids of the tasks of the group.
func failedAlike(ctx context.Context, c *client.Client, g failureGroup) ([]string, error) {
	f := pool.Filter{States: []pool.State{pool.Failed}, Kinds: []string{g.kind}}
	return client.Matching(ctx, c.Pool, f, func(t *task.Task) bool { return failureKey(t) == g.key })
}
