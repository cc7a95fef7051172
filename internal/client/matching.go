package client

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Matching returns the ids of the tasks that match f and that also accepts, each once.
// A nil also accepts every task. Ids that are not valid names are left out: another
// program wrote them, and no call takes them.
func Matching(ctx context.Context, p *pool.Pool, f task.Filter, also func(*task.Task) bool) ([]string, error) {
	f.Brief = true
	var ids []string
	for t, err := range p.Tasks(ctx, f) {
		if err != nil {
			return nil, err
		}
		if task.CheckName(t.ID) == nil && (also == nil || also(t)) {
			ids = append(ids, t.ID)
		}
	}
	return Distinct(ids), nil
}

// Distinct returns the ids, each once, in the order in which they first occur. It does
// not change ids.
func Distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}
