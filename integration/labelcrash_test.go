package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Replica processes without labels, and exclusive ones with one of two labels. One is killed and
// replaced again and again while its tasks run. Every attempt runs on a replica with exactly the
// label of its task. Every task ends once.
func TestTasksGoOnWhereTheirLabelsAreWhenReplicasAreKilled(t *testing.T) {
	t.Parallel()
	labels := []string{"", "gpu", "gpux"}
	each := volume(60, 400)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	f := newFleet(t, time.Second, 5, 0)
	c := f.client()
	labelOf, replicas := map[int]string{}, make([]*process, 2*len(labels))
	start := func(i int) {
		f.label = labels[i%len(labels)]
		replicas[i] = f.start(roleReplica)
		labelOf[replicas[i].pid] = f.label
	}
	for i := range replicas {
		start(i)
	}
	f.awaitReplicas(len(replicas))
	want := map[string]string{}
	spec := func(kind, label string, i int) pool.Spec {
		s := pool.Spec{Kind: kind, ID: fmt.Sprintf("%s-%s-%d", kind, label, i), Payload: fmt.Append(nil, 50+rnd.IntN(100))}
		if label != "" {
			s.Labels = []string{label}
		}
		want[s.ID] = label
		return s
	}

	// The replica that runs the first attempt of a task is killed.
	for i, label := range labels {
		hangs := spec(kindHang, label, i)
		enqueueAll(t, c, []pool.Spec{hangs})
		victim := -1
		eventually(t, patience, "the task runs", func() bool {
			for _, r := range f.recorded() {
				if r.Task == hangs.ID {
					victim = slices.IndexFunc(replicas, func(p *process) bool { return p.pid == r.PID })
				}
			}
			return victim >= 0
		})
		replicas[victim].kill()
		start(victim)
		if got := await(t, c, hangs.ID); got.State != pool.Succeeded || got.Attempt != 2 {
			t.Errorf("task %s is %s after %d attempts", hangs.ID, got.State, got.Attempt)
		}
	}

	enqueueAll(t, c, specsOf(each*len(labels), func(i int) pool.Spec { return spec(kindWork, labels[i%len(labels)], i) }))
	for range volume(6, 30) {
		eventually(t, patience, "tasks run", func() bool {
			st := stats(t, c)
			return st.Running > 0 || st.Waiting == 0
		})
		i := f.victim(rnd, replicas)
		replicas[i].kill()
		start(i)
	}
	st := idle(t, c)
	t.Logf("%d leases lost", st.LeasesLost)
	if st.Ended[pool.Succeeded] != int64(len(want)) {
		t.Errorf("ends %v, want %d succeeded", st.Ended, len(want))
	}
	for _, r := range f.recorded() {
		if r.What == enter && labelOf[r.PID] != want[r.Task] {
			t.Errorf("task %s ran on a replica with the label %q", r.Task, labelOf[r.PID])
		}
	}
	f.oneEndEach(len(want))
}
