package integration

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// 8 replica processes with 50 slots each. Each round kills two or three of them
// and replaces them. Never more than L handlers run at once. While no kill is
// being recovered, nearly always L leases are held. At every checked instant
// the running count equals the number of live leases, and it is 0 in the end.
// make soak takes more limits, and all of them.
func TestChaosLimitHoldsWhileProcessesAreKilled(t *testing.T) {
	t.Parallel()
	for _, limit := range sample(seeded(t), volume([]int{2, 30}, []int{1, 2, 7, 100}), 1) {
		t.Run(strconv.Itoa(limit), func(t *testing.T) { killUnderLimit(t, limit) })
	}
}

func killUnderLimit(t *testing.T, limit int) {
	const lease = 2 * time.Second // a busy machine must renew within it
	rnd := seeded(t)
	f := chaosFleet(t, lease, 50, limit)
	c := f.client()
	replicas := f.fleetOf(8)

	// At most a hundred tasks end per second, whatever the limit: more would
	// measure the machine. A task must also take much longer than the round
	// trip between two tasks.
	quick := f.startTime(c)
	longest := max(120, 20*limit, 20*int(quick.Milliseconds())) // ms
	length := lasting(2*time.Second, 6*time.Second)
	tasks := 0
	supply := func() { // keeps tasks waiting, however long a round takes
		for st := stats(t, c); st.Waiting < 1500; st = stats(t, c) {
			specs := make([]pool.Spec, 500)
			for i := range specs {
				specs[i] = pool.Spec{ID: fmt.Sprint("t-", tasks+i), Kind: kindWork, Payload: strconv.AppendInt(nil, rnd.Int64N(int64(longest)), 10)}
			}
			tasks += len(enqueueAll(t, c, specs))
		}
	}
	supply()
	eventually(t, patience, "the limit is used", func() bool { return stats(t, c).Running == limit })

	window := interval{from: time.Now()}
	kills := 0
	for time.Since(window.from) < length {
		supply()
		for range 2 + rnd.IntN(2) {
			f.replace(replicas, f.victim(rnd, replicas))
			kills++
			if leases, _ := f.inspect(); leases > limit {
				t.Errorf("%d leases under a limit of %d", leases, limit)
			}
			pause(rnd, 0, 500*time.Millisecond)
		}
		// Their tasks are recovered within a lease and a second; the rest of
		// the time is measured.
		pause(rnd, 2*lease, 3*lease)
	}
	window.to = time.Now()
	if st := stats(t, c); st.Waiting < limit {
		t.Fatalf("only %d tasks wait: there were too few", st.Waiting)
	}
	if _, err := c.Stop(t.Context(), pool.Filter{States: []pool.State{pool.Waiting, pool.Scheduled}}, "enough"); err != nil {
		t.Fatal(err)
	}
	st := idle(t, c)
	f.checkIdle(c)

	story := f.chronicle()
	story.check(t, tasks+1)
	all, top := f.checkRuns(story, limit, 0)
	if top != limit {
		t.Errorf("at most %d handlers ran at once, the limit is %d", top, limit)
	}
	recovering := f.recoveries(story, all)
	handlers, calm := within(levels(all), window, recovering)
	leases, _ := within(story.levels(), window, recovering)
	t.Logf("%d kills, %d leases lost; during %v without a recovery: %v handlers ran %.1f %% of the time and %.1f on average, %v leases were held %.1f %% and %.1f",
		kills, st.LeasesLost, calm.Round(time.Millisecond), limit, share(handlers, limit), mean(handlers), limit, share(leases, limit), mean(leases))
	// Between the end of a handler and the begin of the next is a round trip,
	// which is long on a busy machine.
	if m := mean(handlers); m < 0.7*float64(limit) {
		t.Errorf("%.2f handlers ran on average while more waited, the limit is %d", m, limit)
	}
	if m := mean(leases); m < 0.8*float64(limit) {
		t.Errorf("%.2f leases were held on average while tasks waited, the limit is %d", m, limit)
	}
}

// victim picks a process; every other time it picks one that runs a task.
func (f *fleet) victim(rnd *rand.Rand, ps []*process) int {
	if rnd.IntN(2) == 0 {
		records := f.recorded()
		for i := len(records) - 1; i >= 0; i-- {
			for at, p := range ps {
				if records[i].What == enter && p.pid == records[i].PID {
					return at
				}
			}
		}
	}
	return rnd.IntN(len(ps))
}

// pause waits a random time between from and to.
func pause(rnd *rand.Rand, from, to time.Duration) {
	<-time.After(from + time.Duration(rnd.Int64N(int64(to-from))))
}

// recoveries are the intervals from the death of a process until the last of
// its tasks has been taken back, and the time that the next claim takes.
func (f *fleet) recoveries(c *chronicle, all []run) []interval {
	pids := map[string]int{}
	for _, r := range all {
		pids[r.Replica] = r.PID
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []interval
	for _, n := range c.order {
		if n.code != pool.CodeLost {
			continue
		}
		from, known := f.deaths[pids[n.replica]]
		if !known { // it died before it had run a task
			from = n.ended.Add(-f.lease - time.Second)
		}
		// The stream counts in milliseconds, so the next claim may seem to be a
		// millisecond off.
		out = append(out, interval{from.Add(-time.Millisecond), n.ended.Add(100 * time.Millisecond)})
	}
	return out
}

// levels returns the number of leases over time.
func (c *chronicle) levels() []level {
	all := make([]run, len(c.order))
	for i, n := range c.order {
		all[i] = run{record: record{At: n.at.UnixNano()}}
		if !n.ended.IsZero() {
			all[i].to = n.ended.UnixNano()
		}
	}
	return levels(all)
}

// share returns how much of the time was spent at n, in percent.
func share(at map[int]time.Duration, n int) float64 {
	var sum time.Duration
	for _, d := range at {
		sum += d
	}
	return 100 * at[n].Seconds() / max(sum.Seconds(), 1e-9)
}

func mean(at map[int]time.Duration) float64 {
	var sum, weighted float64
	for n, d := range at {
		sum += d.Seconds()
		weighted += float64(n) * d.Seconds()
	}
	return weighted / max(sum, 1e-9)
}
