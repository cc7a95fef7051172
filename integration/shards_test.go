package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Replicas are killed while they make children. No shard is lost, none is made twice, and the
// indexes stay.
func TestShardsAreMadeOnceWhileReplicasAreKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second, 1, 0)
	c := f.client()
	replicas := f.fleetOf(2)
	ctx := context.Background()
	shards, kills := 2000, volume(3, 30)
	for i := range kills { // each parent is made while a replica dies
		if _, err := c.EnqueueSpec(ctx, task.Spec{Kind: "k", ID: fmt.Sprint("p", i), Queue: unserved, Shards: shards}); err != nil {
			t.Fatal(err)
		}
		f.replace(replicas, rand.IntN(len(replicas)))
	}
	for i := range kills {
		checkChildren(t, c, fmt.Sprint("p", i), shards)
	}
	st, err := c.Stats(ctx)
	if err != nil || st.Enqueued != int64(kills*(shards+1)) || st.Waiting != kills*shards || st.Parents != kills {
		t.Errorf("%d tasks were made, %d wait, %d parents (%v)", st.Enqueued, st.Waiting, st.Parents, err)
	}
}

// checkChildren waits until a parent has all its children, and checks that each exists once.
func checkChildren(t *testing.T, c *pool.Pool, parent string, shards int) {
	t.Helper()
	ctx := context.Background()
	eventually(t, patience, "all children of "+parent, func() bool {
		p, err := c.Get(ctx, parent)
		return err == nil && p.Counts.Pending == shards
	})
	seen := map[int]bool{}
	for child, err := range c.Tasks(ctx, task.Filter{Parent: parent, Brief: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if child.ID != fmt.Sprint(parent, "/", child.Shard.Index) || child.Shard.Total != shards || seen[child.Shard.Index] {
			t.Fatalf("child %s is %v", child.ID, child.Shard)
		}
		seen[child.Shard.Index] = true
	}
	if len(seen) != shards {
		t.Errorf("%d children, want %d", len(seen), shards)
	}
}
