package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

func TestSnapshotHasTheRunningTasksThatItsCountsCount(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		s.enqueue(t, task.Spec{ID: "a", Queue: "q1", Group: "g"}, task.Spec{ID: "b", Queue: "q1"}, task.Spec{ID: "c", Queue: "q2"}, task.Spec{ID: "d", Queue: "q2"})
		for i, queue := range []string{"q1", "q1", "q2"} {
			if _, err := s.store.Exchange(t.Context(), claimOf(int64(i+1), queue, 1)); err != nil {
				t.Fatal(err)
			}
		}
		snap, err := s.store.Snapshot(t.Context(), 10)
		if err != nil || snap.Stats.Running != 3 || len(snap.Running) != 3 {
			t.Fatalf("got %+v, %v", snap, err)
		}
		if d := s.now(t).Sub(snap.At); d < 0 || d > time.Minute {
			t.Errorf("the instant is %v ago", d)
		}
		for i, want := range []task.Task{
			{Spec: task.Spec{ID: "a", Queue: "q1", Kind: "k", Group: "g"}},
			{Spec: task.Spec{ID: "b", Queue: "q1", Kind: "k"}},
			{Spec: task.Spec{ID: "c", Queue: "q2", Kind: "k"}},
		} {
			got := snap.Running[i]
			if d := cmp.Diff(want.Spec, got.Spec); d != "" || got.State != task.Running || got.Replica != "r" || got.Attempt != 1 || got.StartedAt.IsZero() || got.Broken != nil {
				t.Errorf("%+v\n%s", got, d)
			}
		}
		if snap, err = s.store.Snapshot(t.Context(), 2); err != nil || len(snap.Running) != 2 {
			t.Errorf("%d tasks of at most 2, %v", len(snap.Running), err)
		}
		rdb.HSet(t.Context(), s.prefix+"run:q1", "a", "x")
		if snap, err = s.store.Snapshot(t.Context(), 10); err != nil || snap.Running[0].Broken == nil {
			t.Errorf("a damaged entry: %+v, %v", snap.Running[0], err)
		}
	})
}

// A pool of 300 queues is read in pages.
func TestSnapshotOfManyQueuesHasNoMoreTasksThanAsked(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		s.join(t, "r")
		for i := range 300 {
			queue := fmt.Sprint("q", i)
			s.enqueue(t, task.Spec{Queue: queue}, task.Spec{Queue: queue})
			if _, err := s.store.Exchange(t.Context(), claimOf(int64(i+1), queue, 2)); err != nil {
				t.Fatal(err)
			}
		}
		for n, want := range map[int]int{0: 0, 7: 7, 550: 550, 100_000: 600} {
			snap, err := s.store.Snapshot(t.Context(), n)
			if err != nil || len(snap.Running) != want || snap.Stats.Running != 600 {
				t.Errorf("%d tasks of at most %d, %d run, %v", len(snap.Running), n, snap.Stats.Running, err)
			}
		}
	})
}

func TestNewestFailuresComeFirst(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var want []string
		for i := range 450 {
			id := fmt.Sprintf("t%03d", i)
			s.enqueue(t, task.Spec{ID: id, Delay: time.Hour})
			if _, err := s.store.Stop(t.Context(), "no", id); err != nil {
				t.Fatal(err)
			}
			rdb.ZAdd(t.Context(), s.prefix+"ended:stopped", redis.Z{Score: float64(s.now(t).Add(time.Hour).UnixMilli() + int64(i)), Member: id})
			want = append(want, id)
		}
		slices.Reverse(want)
		for n, most := range map[int]int{0: 0, 3: 3, 420: 420, 1000: 450} {
			tasks, err := s.store.Newest(t.Context(), task.Stopped, n)
			var got []string
			for _, task := range tasks {
				got = append(got, task.ID)
			}
			if err != nil || !slices.Equal(got, want[:most]) {
				t.Errorf("%d: %d tasks, %v", n, len(got), err)
			}
		}
	})
}
