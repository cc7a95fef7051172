package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// ThrowAwayName returns a random name for a pool: purpose and a number.
func ThrowAwayName(purpose string) string {
	return purpose + "-" + strconv.FormatUint(rand.Uint64(), 36)
}

// Remove deletes all keys of the pool. It is meant for a pool with a ThrowAwayName.
func (c *Client) Remove(ctx context.Context) error {
	prefix := "lts:{" + c.Name + "}:"
	var node redis.Cmdable = c.Redis
	if cluster, ok := c.Redis.(*redis.ClusterClient); ok {
		master, err := cluster.MasterForKey(ctx, prefix)
		if err != nil {
			return fmt.Errorf("remove the pool %s: %w", c.Name, err)
		}
		node = master
	}
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, prefix+"*", 1000).Result()
		if err == nil && len(keys) > 0 {
			err = c.Redis.Unlink(ctx, keys...).Err()
		}
		if err != nil {
			return fmt.Errorf("remove the pool %s: %w", c.Name, err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
