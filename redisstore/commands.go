package redisstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// commands calls do with a client for the server that has the pool's keys. The calls of
// do are not scripts. They may be repeated.
func (s *Store) commands(ctx context.Context, do func(rdb redis.UniversalClient) error) error {
	if err := s.ready(ctx, reads); err != nil {
		return err
	}
	return s.retryUnstable(ctx, s.rdb, func() error {
		primary, err := s.primary(ctx)
		if err != nil {
			return err
		}
		return do(primary)
	})
}

// pipeline makes calls for each item of a list, n items at a time. add adds the calls of
// an item and returns a function that reads their replies. A key that is missing or of a
// wrong type, which the doctor reports, has a zero reply.
func (s *Store) pipeline(ctx context.Context, list []string, n int, add func(p redis.Pipeliner, item string) (read func())) error {
	for page := range slices.Chunk(list, n) {
		reads := make([]func(), len(page))
		err := s.commands(ctx, func(rdb redis.UniversalClient) error {
			p := rdb.Pipeline()
			for i, item := range page {
				reads[i] = add(p, item)
			}
			cmds, _ := p.Exec(ctx)
			for _, c := range cmds {
				if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) && !isWrongType(err) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, read := range reads {
			read()
		}
	}
	return nil
}

// existing returns those of the items whose keys exist.
func (s *Store) existing(ctx context.Context, items []string, key func(item string) string) (found []string, err error) {
	err = s.pipeline(ctx, items, pipelinePage, func(p redis.Pipeliner, item string) func() {
		exists := p.Exists(ctx, key(item))
		return func() {
			if exists.Val() > 0 {
				found = append(found, item)
			}
		}
	})
	return found, err
}

// pages is a list that is read page by page. An error is its last element.
type pages = iter.Seq2[[]string, error]

// scan reads the pages of a SCAN command. An element may occur twice.
func (s *Store) scan(ctx context.Context, page func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd) pages {
	return func(yield func([]string, error) bool) {
		for cursor := uint64(0); ; {
			var found []string
			err := s.commands(ctx, func(rdb redis.UniversalClient) error {
				list, next, err := page(rdb, cursor).Result()
				if err == nil {
					found, cursor = list, next
				}
				return err
			})
			if !yield(found, err) || err != nil || cursor == 0 {
				return
			}
		}
	}
}

// members returns the members of a set, sorted.
func (s *Store) members(ctx context.Context, key string) ([]string, error) {
	return collect(s.scan(ctx, func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd {
		return rdb.SScan(ctx, key, cursor, "", scanPage)
	}))
}

// queues returns the names of all queues of the pool, sorted.
func (s *Store) queues(ctx context.Context) ([]string, error) { return s.members(ctx, s.key("queues")) }

// collect reads a list to its end, sorts it and removes duplicates.
func collect(list pages) (all []string, err error) {
	for page, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// now returns the time of the server's clock.
func (s *Store) now(ctx context.Context) (now time.Time, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		now, err = rdb.Time(ctx).Result()
		return err
	})
	return now, err
}

// setting reads a field of the meta hash, "" if it is not set.
func (s *Store) setting(ctx context.Context, field string) (v string, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		v, err = rdb.HGet(ctx, s.key("meta"), field).Result()
		return ignoreNil(err)
	})
	return v, err
}

// ignoreNil returns err, but nil for redis.Nil, the reply that there is nothing.
func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// splitAt returns the first n elements of a list, or all, and the others.
func splitAt[T any](list []T, n int) (first, rest []T) {
	n = min(n, len(list))
	return list[:n], list[n:]
}

// stringArgs returns strings as arguments of a script, by reference: a string in an
// interface would be an allocation each.
func stringArgs(list []string) []any {
	args := make([]any, len(list))
	for i := range list {
		args[i] = &list[i]
	}
	return args
}
