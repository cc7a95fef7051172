package drain

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

func TestWhoLeavesTheListIsToldFromWhoFallsOffIt(t *testing.T) {
	const lease = 3 * time.Second
	start := time.Now()
	listed := func(id string, beat, silent time.Duration) pool.ReplicaInfo {
		// The clock of Redis is an hour behind.
		return pool.ReplicaInfo{ID: id, Lease: lease, SeenAt: start.Add(beat - time.Hour), Silent: silent}
	}
	second := time.Second
	ends := Endings{"left": {}, "frozen": {}, "frozen before": {}, "back": {}, "late": {}}
	for _, read := range []struct {
		at       time.Duration
		replicas []pool.ReplicaInfo
	}{
		{0, []pool.ReplicaInfo{listed("left", 0, 0), listed("frozen", 0, 0), listed("frozen before", -2*second, 2*second), listed("back", 0, 0), listed("late", 0, 0), listed("other", 0, 0)}},
		{second, []pool.ReplicaInfo{listed("left", second, 0), listed("frozen", 0, second), listed("back", 0, second), listed("late", second, 0)}},
		{2 * second, []pool.ReplicaInfo{listed("frozen", 0, 2*second), listed("back", 0, 2*second), listed("late", 2*second, 0)}},
		{3 * second, []pool.ReplicaInfo{listed("late", 3*second, 0)}},
		{4 * second, []pool.ReplicaInfo{listed("back", 4*second, 0)}},
		{5 * second, nil},
	} {
		want := len(read.replicas)
		if read.at == 0 {
			want-- // the one that was not asked
		}
		if left := ends.Add(start.Add(read.at), read.replicas); left != want {
			t.Errorf("after %v: %d left, want %d", read.at, left, want)
		}
		if s := ends["back"]; read.at == 3*second && !s.Silent {
			t.Error("back: not silent while it was away")
		}
	}
	for id, silent := range map[string]bool{"left": false, "frozen": true, "frozen before": true, "back": false, "late": false} {
		if s := ends[id]; s.Listed || s.Silent != silent {
			t.Errorf("%s: %+v", id, s)
		}
	}
}
