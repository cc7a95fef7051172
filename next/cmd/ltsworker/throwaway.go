package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// throwAwayName is the name of a pool that nobody else has.
func throwAwayName(purpose string) string {
	return purpose + "-" + strconv.FormatUint(rand.Uint64(), 36)
}

// removePool deletes everything of the client's pool, which has to be one that
// was made to be thrown away.
func (c *client) removePool(ctx context.Context) error {
	prefix := "lts:{" + c.name + "}:"
	var node redis.Cmdable = c.rdb
	if cluster, ok := c.rdb.(*redis.ClusterClient); ok {
		master, err := cluster.MasterForKey(ctx, prefix)
		if err != nil {
			return fmt.Errorf("remove the pool %s: %w", c.name, err)
		}
		node = master
	}
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, prefix+"*", 1000).Result()
		if err == nil && len(keys) > 0 {
			err = c.rdb.Unlink(ctx, keys...).Err()
		}
		if err != nil {
			return fmt.Errorf("remove the pool %s: %w", c.name, err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
