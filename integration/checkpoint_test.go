package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// The replicas of two attempts are killed. Each next attempt, on another replica, begins at the last
// checkpoint.
func TestTaskOfAKilledReplicaContinuesAtItsCheckpoint(t *testing.T) {
	t.Parallel()
	f := newFleet(t, longLease, 2, 0)
	c := f.client()
	replicas := f.fleetOf(3)
	id := enqueue(t, c, pool.Spec{Kind: kindStages, MaxAttempts: 1, Retain: new(time.Hour)})
	for attempt := range int64(2) {
		ran := f.entry(enter, id, attempt+1)
		want := fmt.Sprint(2 * (attempt + 1))
		eventually(t, patience, "the checkpoint "+want, func() bool {
			got, err := c.Get(t.Context(), id)
			return err == nil && string(got.LastCheckpoint) == want
		})
		victim, others := byPID(replicas, ran.PID)
		if victim == nil {
			t.Fatalf("process %d is not of this test", ran.PID)
		}
		victim.kill()
		f.endLeases(ran.Replica)
		replicas = others
	}
	got := await(t, c, id)
	if got.State != pool.Succeeded || string(got.Result) != "4" || got.Lost != 2 || got.Failures != 0 || got.LastCheckpoint != nil {
		t.Errorf("the task is %+v", got)
	}
	f.oneEndEach(1)
}
