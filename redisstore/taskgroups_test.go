package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// If another program has overwritten the key of a group, the other groups are still read. The
// doctor reports the key.
func TestGroupsAreReadPastAKeyOfAnotherType(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		one, two := 1, 2
		if err := s.store.Configure(t.Context(), task.Setting{Scope: task.GroupScope, Name: "bad", Limit: &one},
			task.Setting{Scope: task.GroupScope, Name: "good", Limit: &two}); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Set(t.Context(), s.prefix+"group:run:bad", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, groups, err := s.store.Groups(t.Context())
		if err != nil || len(groups) != 2 || groups[0].Limit != 1 || groups[1].Limit != 2 {
			t.Errorf("groups %+v, %v", groups, err)
		}
	})
}
