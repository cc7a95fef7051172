package main

import (
	"context"
	"iter"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// reader reads tasks: a client, or a pool.
type reader interface {
	Tasks(ctx context.Context, f task.Filter) iter.Seq2[*task.Task, error]
}

// matching lists the tasks that match f, each once, and that also accepts, which may
// be nil. Left out is what something else wrote under an id that nobody can ask for.
func matching(ctx context.Context, r reader, f task.Filter, also func(*task.Task) bool) ([]string, error) {
	f.Brief = true
	var ids []string
	for t, err := range r.Tasks(ctx, f) {
		if err != nil {
			return nil, err
		}
		if task.CheckName(t.ID) == nil && (also == nil || also(t)) {
			ids = append(ids, t.ID)
		}
	}
	return distinct(ids), nil
}

// distinct returns the ids without those that were there before.
func distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}
