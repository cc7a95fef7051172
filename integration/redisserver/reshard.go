package redisserver

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// Move moves the key's slot, with all its keys, to another master in steps of
// step keys, as a resharding does. It calls between before the first step and
// after each step with the number of moved keys; between may be nil.
func (c *Cluster) Move(t testing.TB, key string, to *Server, step int, between func(moved int)) (moved int) {
	t.Helper()
	from := c.MasterOf(t, key)
	if from == to {
		t.Fatalf("%s holds %s already", to.Addr(), key)
	}
	ctx, source, target := t.Context(), c.ask[from], c.ask[to]
	must := func(cmd redis.Cmder) {
		t.Helper()
		if err := cmd.Err(); err != nil {
			t.Fatalf("%v: %v", cmd.Args(), err)
		}
	}
	id := func(rdb *redis.Client) string {
		t.Helper()
		cmd := rdb.ClusterMyID(ctx)
		must(cmd)
		return cmd.Val()
	}
	slot, err := source.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	fromID, toID := id(source), id(target)
	must(target.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID))
	must(source.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID))
	for {
		if between != nil {
			between(moved)
		}
		keys, err := source.ClusterGetKeysInSlot(ctx, int(slot), step).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", "127.0.0.1", to.port, "", 0, patience.Milliseconds()}
		if password := source.Options().Password; password != "" {
			args = append(args, "AUTH", password)
		}
		args = append(args, "KEYS")
		for _, k := range keys {
			args = append(args, k)
		}
		must(source.Do(ctx, args...))
		moved += len(keys)
	}
	// The new owner first: for a moment both nodes send clients to it. In the
	// other order neither node would own the slot for a moment.
	must(target.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID))
	must(source.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID))
	for _, s := range c.Masters {
		if s.Pid() != 0 {
			must(c.ask[s].Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID))
		}
	}
	return moved
}
