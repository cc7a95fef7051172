package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Newest reads up to n of the kept tasks that ended in the state: those that are kept
// longest, the last of them first. Among tasks with the same retention these are the ones
// that ended last. Payload, headers and result are not read. Tasks that change state
// meanwhile may be missing.
func (s *Store) Newest(ctx context.Context, state task.State, n int) ([]*task.Task, error) {
	var tasks []*task.Task
	for from := 0; from < n; from += listPage {
		var ids []string
		err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
			ids, err = rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
				Key: s.key("ended:", string(state)), Start: from, Stop: min(from+listPage, n) - 1, Rev: true,
			}).Result()
			return err
		})
		var page []*task.Task
		if err == nil {
			page, err = s.read(ctx, true, ids)
		}
		if err != nil {
			return nil, s.fail(ctx, "newest", err)
		}
		for _, t := range page {
			if t != nil && t.State == state {
				tasks = append(tasks, t)
			}
		}
		if len(ids) < listPage {
			break
		}
	}
	return tasks, nil
}
