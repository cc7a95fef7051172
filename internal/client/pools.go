package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

const (
	// poolPage is how many keys a call of a search for pools checks: Redis serves no other
	// client meanwhile.
	poolPage = 500
	// SomePools checks somePages pages of somePage keys of a server. That bounds its time
	// also on a slow connection.
	somePages, somePage = 20, 2000
	// poolKeys matches the keys by which a pool is found: its settings, which every pool
	// has that a program of ltsworker has used, and its inbox.
	poolKeys = "lts:{*}:[mi][en][tb][ao]*"
)

// Pools returns the names of the pools on the server, or on all masters of the cluster,
// sorted. It checks all keys of the server, a few at a time. progress is called with the
// number of keys checked and roughly the total.
func Pools(ctx context.Context, rdb redis.UniversalClient, progress func(checked, roughly int)) ([]string, error) {
	names, _, err := findPools(ctx, rdb, poolPage, 0, progress)
	return names, err
}

// SomePools is Pools for a short time: it checks up to 40,000 keys of a server, or of each
// master of the cluster. all reports whether these are all keys.
func SomePools(ctx context.Context, rdb redis.UniversalClient) (names []string, all bool, err error) {
	return findPools(ctx, rdb, somePage, somePages, func(int, int) {})
}

// findPools checks up to pages pages of about page keys of each server, 0 for all.
func findPools(ctx context.Context, rdb redis.UniversalClient, page, pages int, progress func(checked, roughly int)) (names []string, all bool, err error) {
	var (
		mu             sync.Mutex
		checked, total int
	)
	all = true
	search := func(ctx context.Context, node *redis.Client) error {
		size, _ := node.DBSize(ctx).Result() // a user that may not read it gets no total
		mu.Lock()
		total += int(size)
		mu.Unlock()
		cursor := uint64(0)
		for n := 0; pages == 0 || n < pages; n++ {
			keys, next, err := node.Scan(ctx, cursor, poolKeys, int64(page)).Result()
			if err != nil {
				return err
			}
			mu.Lock()
			for _, key := range keys {
				if name, ok := poolOf(key); ok {
					names = append(names, name)
				}
			}
			checked += page
			progress(min(checked, max(total, 1)), total)
			mu.Unlock()
			if cursor = next; cursor == 0 {
				return nil
			}
		}
		mu.Lock()
		all = false
		mu.Unlock()
		return nil
	}
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, search)
	case *redis.Client:
		err = search(ctx, c)
	default:
		err = fmt.Errorf("search for pools: unknown client %T", rdb)
	}
	slices.Sort(names)
	return slices.Compact(names), all, err
}

// poolOf returns the pool of a key by which pools are found.
func poolOf(key string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(key, "lts:{")
	name, suffix, _ := strings.Cut(rest, "}:")
	return name, ok && (suffix == "meta" || suffix == "inbox")
}
