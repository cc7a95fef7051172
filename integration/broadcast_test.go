package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Three replicas have one slot each, which the children of a first broadcast take. Those of a
// second one wait. Then one replica is killed, one drains, and another one joins.
func TestBroadcastEndsWhileReplicasComeAndGo(t *testing.T) {
	t.Parallel()
	f := newFleet(t, longLease, 1, 0)
	c := f.client()
	ctx := context.Background()
	members := f.fleetOf(3)
	replicas := replicaIDs(t, c, members)
	gate := filepath.Join(t.TempDir(), "gate")
	keep := pool.Spec{Broadcast: true, Retain: new(time.Hour), MaxAttempts: 1}
	runs, waits := keep, keep
	runs.ID, runs.Kind, runs.Payload = "runs", kindDeaf, []byte(gate)
	waits.ID, waits.Kind, waits.Payload = "waits", kindWork, []byte("1")
	enqueue(t, c, runs)
	eventually(t, patience, "the first broadcast runs everywhere", func() bool {
		n := 0
		for _, r := range f.recorded() {
			if r.What == enter && strings.HasPrefix(r.Task, "runs/") {
				n++
			}
		}
		return n == 3
	})
	enqueue(t, c, waits)
	children(t, c, "waits", 3)

	killed, draining := members[0], members[1]
	killed.kill()
	f.endLeases(replicas[killed.pid])
	draining.signal(syscall.SIGTERM)
	late := f.start(roleReplica)
	late.awaitJoin(c)
	lost := func(parent string, p *process) {
		t.Helper()
		id := childOf(t, c, parent, replicas[p.pid])
		eventually(t, patience, id+" is lost", func() bool {
			child, err := c.Get(ctx, id)
			return err == nil && child.State == task.Failed && child.Code == task.CodeLost
		})
	}
	lost("runs", killed)
	lost("waits", killed)
	lost("waits", draining)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for parent, want := range map[string]task.ShardCounts{"runs": {Succeeded: 2, Failed: 1}, "waits": {Succeeded: 1, Failed: 2}} {
		var p *task.Task
		eventually(t, patience, parent+" has ended", func() bool {
			var err error
			p, err = c.Get(ctx, parent)
			return err == nil && p.State.Terminal()
		})
		if p.State != task.Failed || p.Code != task.CodeChildren || p.Counts != want {
			t.Errorf("%s %s with %s and %+v", parent, p.State, p.Code, p.Counts)
		}
	}
	ran := map[string]int{} // pids by child
	for _, r := range f.recorded() {
		if r.What != enter {
			continue
		}
		if other, twice := ran[r.Task]; twice || r.PID == late.pid {
			t.Errorf("%s ran in process %d, and before in %d; process %d joined later", r.Task, r.PID, other, late.pid)
		}
		ran[r.Task] = r.PID
	}
	for _, p := range members {
		if got := ran[childOf(t, c, "runs", replicas[p.pid])]; got != p.pid {
			t.Errorf("the child for replica %s ran in process %d, want %d", replicas[p.pid], got, p.pid)
		}
	}
}

func TestBroadcastWithoutAReplicaFailsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, longLease, 1, 0)
	c := f.client()
	id := enqueue(t, c, pool.Spec{Kind: kindWork, Broadcast: true}) // no process has started
	got, err := c.Get(t.Context(), id)
	if err != nil || got.State != task.Failed || got.Code != task.CodeNoHandler {
		t.Fatalf("the broadcast is %+v, %v", got, err)
	}
	f.fleetOf(1)
	if _, err := c.Retry(t.Context(), pool.Filter{IDs: []string{id}}); err != nil {
		t.Fatal(err)
	}
	children(t, c, id, 1)
}

// replicaIDs returns the ids of the replicas by the pids of their processes.
func replicaIDs(t *testing.T, c *pool.Pool, ps []*process) map[int]string {
	t.Helper()
	live, err := c.Replicas(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[int]string{}
	for _, p := range ps {
		i := slices.IndexFunc(live, func(r pool.ReplicaInfo) bool { return r.PID == p.pid })
		ids[p.pid] = live[i].ID
	}
	return ids
}

// children waits until all children of a broadcast to n replicas are made.
func children(t *testing.T, c *pool.Pool, parent string, n int) {
	t.Helper()
	eventually(t, patience, "the children of "+parent, func() bool {
		p, err := c.Get(context.Background(), parent)
		return err == nil && p.Shards == n && p.Counts.Unmade == 0
	})
}

// childOf returns the id of the child of a broadcast for a replica.
func childOf(t *testing.T, c *pool.Pool, parent, replica string) string {
	t.Helper()
	p, err := c.Get(context.Background(), parent)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(p.ShardParams, replica)
	if i < 0 {
		t.Fatalf("%s is for %v, not for %s", parent, p.ShardParams, replica)
	}
	return fmt.Sprint(parent, "/", i)
}
