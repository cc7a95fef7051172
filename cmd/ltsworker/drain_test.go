package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func TestDrainLetsAnotherProcessFinishAndEnd(t *testing.T) {
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h", "--retain", "1h")
	u.awaitRunning()
	id := decodeLines[replicaRecord](t, u.must("replicas", "--json"))[0].ID
	if out := u.must("drain", id); out != "asked 1 replica to drain\n" {
		t.Errorf("got %q", out)
	}
	r.await("draining")
	if out := u.must("replicas"); !strings.Contains(out, "draining") {
		t.Errorf("got %s", out)
	}
	u.must("enqueue", "echo", "--id", "after")
	if a := u.run("drain", id, "--wait", "--timeout", "10ms"); a.code != exitFailed || !strings.Contains(a.err, "not all replicas have ended") ||
		!strings.HasPrefix(a.err, "ltsworker: waiting for 1 replica to end, with 1 task to finish\n") {
		t.Errorf("got %+v", a)
	}
	u.write("go", "", 0o600)
	if code := r.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	for id, want := range map[string]task.State{"h": task.Succeeded, "after": task.Waiting} {
		if got := decodeLines[taskRecord](t, u.must("get", id, "--json"))[0]; got.State != want {
			t.Errorf("%s is %s, want %s", id, got.State, want)
		}
	}
	if a := u.run("drain", id); a.code != exitFailed || !strings.Contains(a.err, "drain "+id+": no such replica") || a.out != "asked 0 replicas to drain\n" {
		t.Errorf("got %+v", a)
	}
}

func TestDrainAllEndsIdleReplicasToo(t *testing.T) {
	u := newUser(t)
	replicas := []*replica{u.startReplica(), u.startReplica()}
	u.awaitReplicas(len(replicas))
	a := u.run("drain", "--all", "--wait")
	if a.code != exitDone || a.out != "asked 2 replicas to drain\n2 replicas ended\n" || a.err != "ltsworker: waiting for 2 replicas to end\n" {
		t.Errorf("got %+v", a)
	}
	if a := u.run("drain", "--all", "--wait"); a.code != exitDone || a.err != "" {
		t.Errorf("with nobody to wait for: %+v", a)
	}
	for _, r := range replicas {
		if code := r.wait(); code != exitDone {
			t.Errorf("exit code %d", code)
		}
	}
}

func TestWhoLeavesTheListIsToldFromWhoFallsOffIt(t *testing.T) {
	const lease = 3 * time.Second
	start := time.Now()
	listed := func(id string, beat, silent time.Duration) pool.ReplicaInfo {
		// The clock of Redis is an hour behind.
		return pool.ReplicaInfo{ID: id, Lease: lease, SeenAt: start.Add(beat - time.Hour), Silent: silent}
	}
	second := time.Second
	ends := endings{"left": {}, "frozen": {}, "frozen before": {}, "back": {}, "late": {}}
	for _, look := range []struct {
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
		want := len(look.replicas)
		if look.at == 0 {
			want-- // the one that was not asked
		}
		if left := ends.look(start.Add(look.at), look.replicas); left != want {
			t.Errorf("after %v: %d left, want %d", look.at, left, want)
		}
		if s := ends["back"]; look.at == 3*second && !s.silent {
			t.Error("back: not silent while it was away")
		}
	}
	for id, silent := range map[string]bool{"left": false, "frozen": true, "frozen before": true, "back": false, "late": false} {
		if s := ends[id]; s.listed || s.silent != silent {
			t.Errorf("%s: %+v", id, s)
		}
	}
}
