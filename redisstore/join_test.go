package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// An operator compares the warnings with the config file.
func TestJoinNamesChangedSettingsAsAConfigDoes(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		join := func(n int, age time.Duration, limit int) []string {
			t.Helper()
			got, err := s.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour,
				Queues: map[string]task.QueueConfig{"q": {Workers: 1, Limit: n, MaxLen: n + 10}}, Kinds: map[string]task.Policy{"k": {}},
				Limit: limit, Groups: task.Groups{DefaultLimit: n + 20, Limits: map[string]int{"acme": n + 30}}, MaxEvent: n + 1000, EventAge: age, ArchiveWait: 2 * age})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := join(2, time.Hour, 50); len(got) > 0 {
			t.Errorf("got %q in a new pool", got)
		}
		want := []string{
			"queues.q.limit was 2 and is now 3", "queues.q.max_len was 12 and is now 13", "groups.default_limit was 22 and is now 23",
			"groups.limits.acme was 32 and is now 33", "limit was 50 and is now none", "events.max was 1002 and is now 1003", "events.age was 1h0m0s and is now 30m0s",
			"archive.wait was 2h0m0s and is now 1h0m0s",
		}
		for i := range want {
			want[i] += ", as this replica configures"
		}
		got := join(3, 30*time.Minute, task.NoLimit)
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Positions of waiting tasks are made with the aging that their queue has.
func TestJoinKeepsTheAgingOfAQueueInUse(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		join := func(aging time.Duration) []string {
			t.Helper()
			got, err := s.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour,
				Queues: map[string]task.QueueConfig{"q": {Workers: 1, Aging: aging}}, Kinds: map[string]task.Policy{"k": {}}})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		aging := func() time.Duration {
			t.Helper()
			st, err := s.store.Stats(t.Context())
			if err != nil || len(st.Queues) != 1 {
				t.Fatalf("%+v, %v", st.Queues, err)
			}
			return st.Queues[0].Aging
		}
		if got := join(30 * time.Second); len(got) > 0 || aging() != 30*time.Second {
			t.Errorf("got %q and aging %v in a new pool", got, aging())
		}
		if _, err := s.store.Enqueue(t.Context(), []task.Spec{{Kind: "k", ID: "a", Queue: "q"}}); err != nil {
			t.Fatal(err)
		}
		for another, shown := range map[time.Duration]string{time.Minute: "1m0s", task.NoAging: "none"} {
			want := []string{"queues.q.aging stays 30s: tasks wait or run in the queue; this replica configures " + shown + ", which can only be set while none do"}
			if got := join(another); !slices.Equal(got, want) || aging() != 30*time.Second {
				t.Errorf("got %q and aging %v, want %q", got, aging(), want)
			}
		}
		if got := join(0); len(got) > 0 || aging() != 30*time.Second {
			t.Errorf("got %q and aging %v from a replica that configures none", got, aging())
		}
		if _, err := s.store.Stop(t.Context(), "", "a"); err != nil {
			t.Fatal(err)
		}
		if got := join(time.Minute); len(got) != 1 || aging() != time.Minute {
			t.Errorf("got %q and aging %v while the queue is empty", got, aging())
		}
	})
}

// A replica may send a heartbeat after the time was read and before its description is.
func TestSilenceOfAReplicaIsNotNegative(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		if _, err := s.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 1}}}); err != nil {
			t.Fatal(err)
		}
		seen := s.now(t).Add(time.Minute).Truncate(time.Millisecond)
		if err := rdb.HSet(t.Context(), s.prefix+"replica:r", "seen_at", seen.UnixMilli()).Err(); err != nil {
			t.Fatal(err)
		}
		got, err := s.store.Replicas(t.Context())
		if err != nil || len(got) != 1 || got[0].Silent != 0 || !got[0].SeenAt.Equal(seen) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
