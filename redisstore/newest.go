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

// Parents reads up to n running parents, those with the earliest deadline first, without their
// payloads, headers and results.
func (s *Store) Parents(ctx context.Context, n int) (parents []*task.Task, err error) {
	var ids []string
	for page, err := range s.byScore(ctx, s.key("parents"), "-inf") {
		if err != nil {
			return nil, s.fail(ctx, "parents", err)
		}
		if ids = append(ids, page...); len(ids) >= n {
			break
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	read, err := s.read(ctx, true, ids[:min(len(ids), n)])
	for _, t := range read {
		if t != nil && t.State == task.Running {
			parents = append(parents, t)
		}
	}
	return parents, s.fail(ctx, "parents", err)
}
