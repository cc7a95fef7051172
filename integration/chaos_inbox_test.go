package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Entries are pushed to the inbox while the replicas that read it are killed.
// Each entry becomes one task, which ends once. Half of the entries have no id,
// so that only the inbox itself prevents a second admission.
func TestChaosEntriesAreAdmittedOnceWhileReadersAreKilled(t *testing.T) {
	t.Parallel()
	rnd := seeded(t)
	f := chaosFleet(t, time.Second, 20, 0)
	c := f.client()
	replicas := f.fleetOf(3)

	ctx, cancel := context.WithTimeout(t.Context(), lasting(2*time.Second, 5*time.Second))
	defer cancel()
	pushed := make(chan int, 1)
	pace := rand.New(rand.NewPCG(rnd.Uint64(), 0))
	go func() {
		n := 0
		for ctx.Err() == nil {
			entries := make([]any, 1+pace.IntN(300))
			for i := range entries {
				id := ""
				if n%2 == 0 {
					id = fmt.Sprintf(`"id":"i-%d",`, n)
				}
				entries[i] = fmt.Sprintf(`{"kind":"work",%s"payload":%d,"headers":{"n":"%d"}}`, id, pace.IntN(3), n)
				n++
			}
			if err := f.rdb.RPush(context.Background(), f.key("inbox"), entries...).Err(); err != nil {
				t.Error(err)
			}
			pause(pace, 0, 150*time.Millisecond)
		}
		pushed <- n
	}()
	kills := 0
	for ctx.Err() == nil {
		pause(rnd, 50*time.Millisecond, 400*time.Millisecond)
		f.replace(replicas, rnd.IntN(len(replicas)))
		kills++
	}
	n := receive(t, pushed, patience, "the end of the pushes")
	st := idle(t, c)
	if st.Enqueued != int64(n) || st.Rejected != 0 || st.Ended[pool.Succeeded] != int64(n) {
		t.Errorf("%d entries: %d became tasks, %d were rejected, %d succeeded", n, st.Enqueued, st.Rejected, st.Ended[pool.Succeeded])
	}
	f.checkIdle(c)
	story := f.chronicle()
	story.check(t, n)
	f.checkRuns(story, 0, 0)
	times := map[string]int{}
	for _, e := range f.events() {
		if e.State.Terminal() {
			times[e.Meta["n"]]++
		}
	}
	for i := range n {
		if times[fmt.Sprint(i)] != 1 {
			t.Errorf("entry %d was admitted %d times", i, times[fmt.Sprint(i)])
		}
	}
	t.Logf("%d kills, %d entries, %d leases lost", kills, n, st.LeasesLost)
}
