package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Processes under load get SIGTERM, one after the other, and are replaced. None
// starts a handler after the signal. Finished tasks are reported. The other
// tasks are released at once without using an attempt, and the process exits
// with status 0.
func TestChaosShutdownUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const hangers = 12
	rnd := seeded(t)
	f := chaosFleet(t, 10*time.Second, 20, 0) // so long that waiting for a lease would be noticed
	f.drain = 2 * time.Second
	c := f.client()
	replicas := f.fleetOf(3)
	specs := make([]pool.Spec, 0, hangers)
	for i := range hangers {
		// They run longer than the test and have no attempt to spare.
		specs = append(specs, pool.Spec{ID: fmt.Sprint("long-", i), Kind: kindWork, Payload: []byte("3600000"), Priority: 1, MaxAttempts: 1, Retain: new(time.Hour)})
	}
	enqueueAll(t, c, specs)
	load := f.load(rnd.Uint64(), 400)

	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < lasting(5*time.Second, 12*time.Second); {
		i := rnd.IntN(len(replicas))
		f.awaitRun(replicas[i])
		pause(rnd, 0, 200*time.Millisecond)
		at := time.Now()
		replicas[i].terminate()
		took = append(took, time.Since(at))
		if code := replicas[i].cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("a process that got SIGTERM exited with %d", code)
		}
		replicas[i] = f.start(roleReplica)
	}
	tasks := load.end()
	eventually(t, patience, "the short tasks have ended", func() bool { return stats(t, c).Ended[pool.Succeeded] >= int64(tasks) })
	for i := range hangers {
		task := get(t, c, specs[i].ID)
		if task.Failures != 0 || task.Lost != 0 || task.State.Terminal() {
			t.Errorf("the long task is %+v", task)
		}
	}
	if _, err := c.Stop(t.Context(), pool.Filter{Kinds: []string{kindWork}}, "enough"); err != nil {
		t.Fatal(err)
	}
	st := idle(t, c)
	f.checkIdle(c)
	if st.LeasesLost != 0 || st.Ended[pool.Succeeded] != int64(tasks) || st.Ended[pool.Stopped] != hangers {
		t.Errorf("%d leases lost, ends %v", st.LeasesLost, st.Ended)
	}
	story := f.chronicle()
	story.check(t, hangers+tasks)
	all, _ := f.checkRuns(story, 0, 0)

	// The finished handlers are exactly the reported ones.
	released := 0
	for _, n := range story.order {
		if n.code == pool.CodeReleased {
			released++
		}
	}
	knew, late := f.noticed(), time.Duration(0)
	for _, r := range all {
		end := story.claims[attempt{r.Task, r.Attempt}]
		if done := r.to != 0 && !strings.HasPrefix(r.Task, "long-"); done && end.code != pool.CodeOK && end.code != pool.CodeReleased {
			t.Errorf("attempt %d of task %s returned and ended as %s", r.Attempt, r.Task, end.code)
		}
		if at, was := knew[r.PID]; was {
			late = max(late, time.Duration(r.At-at))
		}
	}
	// Several goroutines of the process learn of the signal at different
	// moments. A process that took tasks until the end of its drain would
	// exceed this bound.
	if late > f.drain*9/10 {
		t.Errorf("a handler started %v after its process got SIGTERM", late)
	}
	t.Logf("%d shutdowns, %d tasks released, the process had ended after p50 %v, max %v; the last handler started %v after the signal",
		len(took), released, percentile(took, 50), percentile(took, 100), late)
}

// awaitRun waits until the process has run a task.
func (f *fleet) awaitRun(p *process) {
	f.t.Helper()
	eventually(f.t, patience, "a handler of process "+strconv.Itoa(p.pid), func() bool {
		for _, r := range f.recorded() {
			if r.What == enter && r.PID == p.pid {
				return true
			}
		}
		return false
	})
}

// noticed returns, by pid, when each process received SIGTERM.
func (f *fleet) noticed() map[int]int64 {
	at := map[int]int64{}
	for _, r := range f.recorded() {
		if r.What == terminated {
			at[r.PID] = r.At
		}
	}
	return at
}
