package integration

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
)

// Measures the time from a SIGKILL until each task of the dead process runs
// again.
func TestChaosRecoveryTakesALeaseAndASecondAtMost(t *testing.T) {
	t.Parallel() // it mostly waits for leases to end
	// A busy machine must renew within the lease. The bound grows with the
	// lease.
	const lease = 3 * time.Second
	const held = 12
	kills := volume(3, 100)
	rnd := seeded(t)
	f := chaosFleet(t, lease, held, 0)
	c := f.client()
	replicas := f.fleetOf(3)

	hanging := map[string]int{} // by task: the process that holds its first attempt
	quick := time.Duration(0)   // the longest start of a task while no process was dead
	fill := func() {
		for len(hanging) < held {
			begin := time.Now()
			id := enqueue(t, c, pool.Spec{Kind: kindHang, MaxAttempts: 1})
			first := f.entry(enter, id, 1)
			quick = max(quick, time.Unix(0, first.At).Sub(begin))
			hanging[id] = first.PID
		}
	}
	var took []time.Duration
	for range kills {
		fill()
		var victims []int // the processes that hold a task
		for i, p := range replicas {
			for _, pid := range hanging {
				if pid == p.pid {
					victims = append(victims, i)
					break
				}
			}
		}
		// Kills fall at a random moment between two renewals.
		pause(rnd, 0, lease/3)
		at := time.Now()
		dead := f.replace(replicas, victims[rnd.IntN(len(victims))])
		for id, pid := range hanging {
			if pid != dead.pid {
				continue
			}
			took = append(took, time.Unix(0, f.entry(enter, id, 2).At).Sub(at))
			delete(hanging, id)
		}
	}
	if _, err := c.Stop(t.Context(), pool.Filter{Kinds: []string{kindHang}}, "enough"); err != nil {
		t.Fatal(err)
	}
	st := idle(t, c)
	f.checkIdle(c)
	story := f.chronicle()
	story.check(t, int(st.Enqueued))
	f.checkRuns(story, 0, 0)
	t.Logf("%d kills, %d tasks ran again, lease %v: p50 %v, p99 %v, max %v after the kill", kills, len(took), lease,
		percentile(took, 50).Round(time.Millisecond), percentile(took, 99).Round(time.Millisecond), percentile(took, 100).Round(time.Millisecond))
	if late := percentile(took, 100); late > lease+time.Second+slack*quick {
		t.Errorf("a task ran again only %v after the kill, with a lease of %v; a start takes %v", late, lease, quick)
	}
}

// Redis (with AOF) is killed and restarted again and again under load. In every
// replica work resumes less than five seconds after Redis answers again. No
// task is lost, none ran more often than allowed, and no replica was restarted.
func TestChaosWorkResumesAfterRedisRestarts(t *testing.T) {
	t.Parallel()
	// The limit is more than the slots of two of the three replicas.
	const lease, limit = 2 * time.Second, 25
	restarts := volume(2, 30)
	rnd := seeded(t)
	f := chaosFleet(t, lease, 10, limit, redisserver.AOF())
	c := f.client()
	replicas := f.fleetOf(3)
	load := f.load(rnd.Uint64(), 150)
	backlog := 0
	// busy keeps so many tasks waiting that each replica is needed.
	busy := func() {
		st, err := c.Stats(t.Context())
		if err != nil || st.Waiting > 3*limit {
			return
		}
		specs := make([]pool.Spec, 10*limit)
		for i := range specs {
			backlog++
			specs[i] = pool.Spec{ID: fmt.Sprint("backlog-", backlog), Kind: kindWork, Payload: strconv.AppendInt(nil, rnd.Int64N(300), 10)}
		}
		eventually(t, patience, "the backlog is enqueued", func() bool { // under the same ids
			rs, err := c.EnqueueAll(t.Context(), specs)
			return err == nil && !slices.ContainsFunc(rs, func(r pool.Receipt) bool { return r.Err != nil })
		})
	}

	// allStart returns how long after a moment each replica has started a task.
	allStart := func(from time.Time) map[int]time.Duration {
		starts := map[int]time.Duration{}
		eventually(t, patience, "every replica works", func() bool {
			busy()
			for _, r := range f.recorded() {
				if since := time.Unix(0, r.At).Sub(from); r.What == enter && since > 0 && starts[r.PID] == 0 {
					starts[r.PID] = since
				}
			}
			return len(starts) == len(replicas)
		})
		return starts
	}
	allStart(time.Now())
	quick := time.Duration(0)
	for _, d := range allStart(time.Now()) {
		quick = max(quick, d)
	}
	var first, all []time.Duration
	for range restarts {
		pause(rnd, 300*time.Millisecond, 800*time.Millisecond)
		busy()
		f.server.Kill(t)
		pause(rnd, 0, 2500*time.Millisecond) // shorter and longer than a lease
		f.server.Restart(t)
		back := time.Now()
		soonest := time.Hour
		for _, d := range allStart(back) {
			soonest = min(soonest, d)
			all = append(all, d)
		}
		first = append(first, soonest)
	}
	n := load.end() + backlog
	st := idle(t, c)
	f.checkIdle(c)
	if st.Ended[pool.Succeeded] != int64(n) {
		t.Errorf("ends %v of %d tasks", st.Ended, n)
	}
	story := f.chronicle()
	story.check(t, n)
	f.checkRuns(story, limit, 0)
	t.Logf("%d restarts, %d tasks, %d enqueues repeated, %d leases lost; after Redis was back: first start p50 %v, max %v; first start of each replica p50 %v, max %v",
		restarts, n, load.repeated, st.LeasesLost, percentile(first, 50), percentile(first, 100), percentile(all, 50), percentile(all, 100))
	if late := percentile(all, 100); late > resumption+slack*quick {
		t.Errorf("a replica started nothing for %v after Redis was back, and for %v before", late, quick)
	}
	for _, p := range replicas {
		select {
		case <-p.gone:
			t.Errorf("process %d has ended", p.pid)
		default:
		}
	}
}
