package redisstore

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// Archived ends the wait of ended tasks for the archive, which has them now. It returns
// how many of them waited. A task that has changed since it was read is not changed.
func (s *Store) Archived(ctx context.Context, tasks ...*task.Task) (waited int, err error) {
	for page := range slices.Chunk(tasks, changePage) {
		args := make([]any, 0, 3*len(page))
		for _, t := range page {
			args = append(args, &t.ID, t.Version, t.CreatedAt.UnixMilli())
		}
		reply, err := s.run(ctx, archivedScript, args...)
		if err != nil {
			return waited, s.fail(ctx, "archived", err)
		}
		n, _ := reply.(int64)
		waited += int(n)
	}
	return waited, nil
}
