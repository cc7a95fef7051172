package integration

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// 4 replica processes with 50 slots. One is killed and replaced again and
// again. Never more than L handlers run at once, nor more than one of a group.
// Every task ends once, every end is one event, and afterwards nothing is left
// running. Killing needs real time: three seconds, or eight.
func TestLimitsHoldWhileReplicasAreKilled(t *testing.T) {
	t.Parallel()
	const limit, groups = 7, 4
	tasks := volume(900, 2500)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	f := newFleet(t, time.Second, 50, limit)
	c := f.client()
	replicas := f.fleetOf(4)
	if err := c.SetLimit(t.Context(), pool.GroupsScope, "", 1); err != nil {
		t.Fatal(err)
	}
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: kindWork, Payload: strconv.AppendInt(nil, 1+rnd.Int64N(20), 10)}
		if g := rnd.IntN(2 * groups); g < groups {
			specs[i].Group = strconv.Itoa(g)
		}
	}
	enqueueAll(t, c, specs)

	kills := 0
	for end := time.Now().Add(volume(3*time.Second, 8*time.Second)); time.Now().Before(end); kills++ {
		pause := time.NewTimer(200*time.Millisecond + time.Duration(rnd.Int64N(int64(400*time.Millisecond))))
		<-pause.C
		i := rnd.IntN(len(replicas))
		replicas[i].kill()
		replicas[i] = f.start(roleReplica)
		if st := stats(t, c); st.Running > limit {
			t.Errorf("%d leases under a limit of %d", st.Running, limit)
		}
	}
	st := idle(t, c)
	t.Logf("%d kills, %d leases lost", kills, st.LeasesLost)
	if st.Ended[pool.Succeeded] != int64(tasks) {
		t.Errorf("ends %v, want %d succeeded", st.Ended, tasks)
	}

	// Now as many handlers run as the limit allows: only live leases count.
	blockers, ids := make([]pool.Spec, limit+3), []string{}
	for i := range blockers {
		blockers[i] = pool.Spec{Kind: kindWork, Payload: []byte("3600000")}
	}
	for _, r := range enqueueAll(t, c, blockers) {
		ids = append(ids, r.ID)
	}
	eventually(t, patience, "as many handlers run as may run", func() bool {
		begun := 0
		for _, r := range f.recorded() {
			if r.What == enter && slices.Contains(ids, r.Task) {
				begun++
			}
		}
		return begun >= limit && stats(t, c).Running == limit
	})
	if _, err := c.Stop(t.Context(), pool.Filter{IDs: ids}, "enough"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		await(t, c, id)
	}
	if st := stats(t, c); st.Running != 0 {
		t.Errorf("%d leases on an idle pool", st.Running)
	}
	f.nothingRuns()

	f.oneEndEach(tasks + len(blockers))
	f.onlyKeys(append(idleKeys, "task:", "more:", "history:", "ended:succeeded", "ended:stopped")...)
	f.mu.Lock()
	defer f.mu.Unlock()
	records := f.recorded()
	for g := range groups {
		of := slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r.Group != strconv.Itoa(g) })
		if top, _ := overlap(of, f.deaths); top != 1 {
			t.Errorf("%d handlers of group %d ran at once, its limit is 1", top, g)
		}
	}
	top, held := overlap(records, f.deaths)
	t.Logf("%d handlers ran at once for %v", top, held)
	if top != limit {
		t.Errorf("%d handlers ran at once, the limit is %d", top, limit)
	}
}

// A task whose replica is killed runs again on another replica within its lease
// and a second. It uses nothing of its error budget and ends once.
func TestTaskOfAKilledReplicaRunsAgainWithinItsLease(t *testing.T) {
	t.Parallel()
	// Another replica takes over the maintenance within a second and little
	// more than half a lease. The rest of the lease is the margin for a busy
	// machine.
	const lease = 2 * time.Second
	f := newFleet(t, lease, 2, 0)
	c := f.client()
	replicas := f.fleetOf(3)
	rounds := volume(2, 4)
	for round := range rounds {
		quick := f.startTime(c)
		id := enqueue(t, c, pool.Spec{Kind: kindHang, MaxAttempts: 1, Retain: new(time.Hour)})
		first := f.entry(enter, id, 1)
		victim, others := byPID(replicas, first.PID)
		if victim == nil {
			t.Fatalf("process %d is not of this test", first.PID)
		}
		killed := time.Now()
		victim.kill()
		task := await(t, c, id)
		again := f.entry(enter, id, 2)
		took := time.Unix(0, again.At).Sub(killed)
		t.Logf("round %d: ran again %v after the kill", round, took)
		if took > lease+time.Second+slack*quick {
			t.Errorf("ran again %v after the kill, with a lease of %v; a start takes %v", took, lease, quick)
		}
		if task.State != pool.Succeeded || task.Failures != 0 || task.Lost != 1 || task.Attempt != 2 || string(task.Result) != "2" {
			t.Errorf("the task is %+v", task)
		}
		replicas = append(others, f.start(roleReplica))
		f.awaitReplicas(3)
	}
	f.oneEndEach(2 * rounds)
}

// A task that kills its process each time fails as lost after its losses are
// used up. Its error names the last replica. Other tasks end meanwhile, and all of
// them succeed.
func TestPoisonousTaskFailsAsLost(t *testing.T) {
	t.Parallel()
	// Each attempt of the poison ends a process. One more is left, so that other tasks run at any time.
	f := newFleet(t, time.Second, 4, 0)
	c := f.client()
	f.fleetOf(task.DefaultMaxLost + 2)
	id := enqueue(t, c, pool.Spec{Kind: kindPoison})
	// Tasks that run beside the poison are lost with it. None may be lost as often as the poison.
	eventually(t, patience, "the first attempt of the poison", func() bool { return get(t, c, id).Attempt > 0 })
	flow, feeding := 0, time.NewTicker(10*time.Millisecond)
	defer feeding.Stop()
	eventually(t, patience, "the poison fails", func() bool {
		if get(t, c, id).State == pool.Failed {
			return true
		}
		<-feeding.C
		enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("1")})
		flow++
		return false
	})
	if flowed := stats(t, c).Ended[pool.Succeeded]; flowed == 0 {
		t.Errorf("none of %d tasks ended besides the poison", flow)
	} else {
		t.Logf("%d of %d tasks ended besides the poison", flowed, flow)
	}
	eventually(t, patience, "all other tasks succeed", func() bool { return int(stats(t, c).Ended[pool.Succeeded]) == flow })
	tk := get(t, c, id)
	t.Log("its error: ", tk.Error)
	if tk.Code != pool.CodeLost || tk.Lost != task.DefaultMaxLost+1 || tk.Failures != 0 {
		t.Errorf("code %s, lost %d, failures %d", tk.Code, tk.Lost, tk.Failures)
	}
	if tk.Replica == "" || !strings.Contains(tk.Error, tk.Replica) {
		t.Errorf("the error %q does not name the last replica %q", tk.Error, tk.Replica)
	}
	history, err := c.History(t.Context(), id)
	if err != nil || len(history) != task.DefaultMaxLost+1 {
		t.Errorf("history %v, %v", history, err)
	}
}

// A replica that is stopped past its lease learns that it has lost the lease.
// Its later reports change nothing.
func TestFrozenReplicaCannotWriteOverItsSuccessor(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	f := newFleet(t, lease, 12, 0)
	end := filepath.Join(t.TempDir(), "end") // ends the first attempts of the deaf tasks
	c := f.client()
	frozen := f.start(roleReplica)
	f.awaitReplicas(1)

	hung := enqueue(t, c, pool.Spec{Kind: kindHang, Retain: new(time.Hour)})
	ids := []string{hung}
	for range 10 {
		ids = append(ids, enqueue(t, c, pool.Spec{Kind: kindDeaf, Payload: []byte(end), Retain: new(time.Hour)}))
	}
	for _, id := range ids {
		f.entry(enter, id, 1)
	}
	quick := f.startTime(c)
	frozen.signal(syscall.SIGSTOP)
	f.start(roleReplica).awaitJoin(c)
	begin := time.Now()
	for _, id := range ids {
		task := await(t, c, id)
		if task.State != pool.Succeeded || task.Attempt != 2 || string(task.Result) != "2" {
			t.Errorf("the task is %+v", task)
		}
	}
	took := time.Since(begin)
	t.Logf("the successor had finished %v after it had joined", took)
	// The signal for the successor's tasks may have been sent to the frozen
	// replica, which is still marked as idle.
	if took > lease+prompt+slack*quick {
		t.Errorf("the successor had finished only %v after it had joined; a start takes %v", took, quick)
	}

	// The process continues and reports the first attempts.
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	frozen.signal(syscall.SIGCONT)
	if got := f.entry(exit, hung, 1); got.Cause != pool.ErrLeaseLost.Error() {
		t.Errorf("the frozen handler's context ended because of %q", got.Cause)
	}
	for _, id := range ids {
		f.entry(exit, id, 1)
	}
	// When the thawed replica has run another task, it serves again and has
	// sent all its reports.
	eventually(t, patience, "a task runs on the thawed replica", func() bool {
		id := enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("1")})
		await(t, c, id)
		return f.entry(enter, id, 1).PID == frozen.pid
	})
	for _, id := range ids {
		task := get(t, c, id)
		if task.State != pool.Succeeded || task.Attempt != 2 || string(task.Result) != "2" {
			t.Errorf("after the thaw the task is %+v", task)
		}
	}
	for _, id := range ids {
		l := f.history()[id]
		l.check(t)
		if l.ends() != 1 {
			t.Errorf("task %s has %d ends", id, l.ends())
		}
	}
}

// Each write of an attempt that the task no longer has is refused with the
// right verdict.
func TestEveryWriteOfAStaleAttemptIsRefused(t *testing.T) {
	s := newSite(t)
	c := s.client()
	id := enqueue(t, c, pool.Spec{Kind: "step", Retain: new(time.Hour)})
	stale := s.seize("stale", pool.DefaultQueue, 1, 50*time.Millisecond)[0]
	st := s.store()
	eventually(t, patience, "the lease is reaped", func() bool {
		if _, err := st.Maintain(context.Background(), "reaper"); err != nil {
			t.Fatal(err)
		}
		return get(t, c, id).Lost == 1
	})
	refuse := func(when string, want task.Verdict) { // a renewal names the claim, which does not exist any more
		t.Helper()
		for _, op := range []task.Op{task.Succeed, task.Fail, task.Release} {
			if v := s.report(task.Report{ID: id, Fence: stale.Fence, Op: op, Code: task.CodeError, Result: []byte("1")}); v != want {
				t.Errorf("%s: the verdict on report %d is %s, want %s", when, op, v, want)
			}
		}
		got, err := st.Renew(t.Context(), task.Renewal{Replica: "stale", Lease: time.Second,
			Held:    []task.HeldClaim{{Fence: stale.Fence, Held: 1, Left: task.Forever}},
			Updates: []task.AttemptUpdate{{ID: id, Fence: stale.Fence, Progress: []byte("1"), Slow: true}},
		})
		if err != nil || got.Verdicts[0] != task.LeaseLost {
			t.Errorf("%s: the verdict on the renewal is %v, %v", when, got.Verdicts, err)
		}
	}
	refuse("while it waits again", task.LeaseLost)
	fresh := s.seize("fresh", pool.DefaultQueue, 1, time.Minute)[0]
	refuse("while another runs it", task.LeaseLost)
	if v := s.report(task.Report{ID: id, Fence: fresh.Fence, Op: task.Succeed, Code: task.CodeOK, Result: []byte("2")}); v != task.Accepted {
		t.Errorf("the verdict on the current attempt is %s", v)
	}
	refuse("after its end", task.LeaseLost)
	if task := get(t, c, id); string(task.Result) != "2" || len(task.Progress) > 0 || task.Attempt != 2 {
		t.Errorf("the task is %+v", task)
	}
	if _, err := c.Delete(t.Context(), pool.Filter{IDs: []string{id}}); err != nil {
		t.Fatal(err)
	}
	refuse("after its deletion", task.Gone)
	if n, err := s.rdb.Exists(t.Context(), s.key("task:"+id), s.key("more:"+id), s.key("history:"+id)).Result(); n != 0 || err != nil {
		t.Errorf("a refused write created the deleted task again: %d, %v", n, err)
	}
}
