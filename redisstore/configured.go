package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Configured reads the settings of the pool, of queues or of groups as replicas configured them
// last, in the order of the names. The name of the pool and that of all groups is "".
func (s *Store) Configured(ctx context.Context, scope task.Scope, names ...string) ([]task.Configured, error) {
	all := make([]task.Configured, 0, len(names))
	for page := range slices.Chunk(names, pipelinePage) {
		var fields []string
		for _, name := range page {
			switch scope {
			case task.QueueScope:
				fields = append(fields, "limit:queue:"+name, "rate:queue:"+name, "cap:"+name, "aging:"+name)
			case task.GroupScope:
				fields = append(fields, groupLimit+name, groupRate+name, "", "")
			case task.GroupsScope:
				fields = append(fields, "limit:group", "rate:group", "", "")
			case task.PoolScope:
				fields = append(fields, "limit", "", "", "")
			default:
				return nil, fmt.Errorf("configured: unknown scope %q", scope)
			}
		}
		for i := range fields {
			fields[i] = "config:" + fields[i]
		}
		var values []any
		err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
			values, err = rdb.HMGet(ctx, s.key("meta"), fields...).Result()
			return err
		})
		if err != nil {
			return nil, s.fail(ctx, "configured", err)
		}
		for part := range slices.Chunk(values, 4) {
			all = append(all, configured(part))
		}
	}
	return all, nil
}

func configured(values []any) (c task.Configured) {
	text := func(i int) string {
		v, _ := values[i].(string)
		return v
	}
	number := func(i int) int {
		if text(i) == none {
			return task.NoLimit
		}
		n, _ := strconv.Atoi(text(i))
		return n
	}
	c.Limit, c.MaxLen = number(0), number(2)
	if c.Rate = rateOf(text(1)); text(1) == none {
		c.Rate = task.NoRate
	}
	if c.Aging = time.Duration(number(3)) * time.Millisecond; text(3) == none {
		c.Aging = task.NoAging
	}
	return c
}
