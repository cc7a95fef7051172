package redisstore

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// ByUnique reads the live task that has the unique key. If there is none, it reads the one
// that ended last among the ended tasks with the key. It finds these only among the
// task.RetainNewest tasks of each state that are kept longest. It returns nil for no task.
func (s *Store) ByUnique(ctx context.Context, key string) (*task.Task, error) {
	stored := task.Filter{Unique: []string{key}}.StoredUnique()
	t, err := s.byUnique(ctx, stored)
	return t, s.fail(ctx, "find by unique key", err)
}

func (s *Store) byUnique(ctx context.Context, stored []string) (*task.Task, error) {
	has := func(t *task.Task) bool { return t != nil && slices.Contains(stored, t.Unique) }
	holders, err := s.holders(ctx, stored)
	if err != nil {
		return nil, err
	}
	live, err := s.read(ctx, false, holders)
	for _, t := range live {
		if has(t) && !t.State.Terminal() {
			return t, err
		}
	}
	if err != nil {
		return nil, err
	}
	var last *task.Task
	for _, state := range task.States() {
		if !state.Terminal() {
			continue
		}
		for ids, err := range s.keptLongest(ctx, state) {
			var page []*task.Task
			if err == nil {
				page, err = s.read(ctx, true, ids)
			}
			if err != nil {
				return nil, err
			}
			for _, t := range page {
				if has(t) && t.State.Terminal() && (last == nil || t.EndedAt.After(last.EndedAt)) {
					last = t
				}
			}
		}
	}
	if last == nil {
		return nil, nil
	}
	found, err := s.read(ctx, false, []string{last.ID})
	if err != nil || !has(found[0]) {
		return nil, err // removed, or replaced by another task with its id, since
	}
	return found[0], nil
}

// keptLongest yields the ids of the task.RetainNewest ended tasks of the state that are kept
// longest, those first that are removed last.
func (s *Store) keptLongest(ctx context.Context, state task.State) pages {
	return func(yield func([]string, error) bool) {
		for first := 0; first < task.RetainNewest; first += listPage {
			var ids []string
			err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
				ids, err = rdb.ZRevRange(ctx, s.key("ended:", string(state)), int64(first), int64(first+listPage-1)).Result()
				return err
			})
			if !yield(ids, err) || err != nil || len(ids) < listPage {
				return
			}
		}
	}
}
