package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestDrainLetsAnotherProcessFinishAndEnd(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h", "--retain", "1h")
	u.awaitRunning()
	id := decodeLines[record.Replica](t, u.must("replicas", "--json"))[0].ID
	if out := u.must("drain", id); out != "asked 1 replica to drain\n" {
		t.Errorf("got %q", out)
	}
	r.await("draining")
	if out := u.must("replicas"); !strings.Contains(out, "draining") {
		t.Errorf("got %s", out)
	}
	u.must("enqueue", "echo", "--id", "after")
	if a := u.run("drain", id, "--wait", "--timeout", "10ms"); a.code != exitFailed || !strings.Contains(a.err, "not all replicas have ended") || !strings.Contains(a.err, "\nreplica "+id+" has not ended: it runs 1 task\n") ||
		!strings.HasPrefix(a.err, "ltsworker: waiting for 1 replica to end, with 1 task to finish\n") {
		t.Errorf("got %+v", a)
	}
	u.write("go", "", 0o600)
	if code := r.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	for id, want := range map[string]task.State{"h": task.Succeeded, "after": task.Waiting} {
		if got := decodeLines[record.Task](t, u.must("get", id, "--json"))[0]; got.State != want {
			t.Errorf("%s is %s, want %s", id, got.State, want)
		}
	}
	if a := u.run("drain", id); a.code != exitFailed || !strings.Contains(a.err, "drain "+id+": no such replica") || a.out != "" || strings.Count(a.err, "\n") != 1 {
		t.Errorf("got %+v", a)
	}
}

func TestDrainAllEndsIdleReplicasToo(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	replicas := []*replica{u.startReplica(), u.startReplica()}
	u.awaitReplicas(len(replicas))
	a := u.run("drain", "--all", "--wait")
	if a.code != exitDone || a.out != "asked 2 replicas to drain\n2 replicas ended\n" || a.err != "ltsworker: waiting for 2 replicas to end\n" {
		t.Errorf("got %+v", a)
	}
	if a := u.run("drain", "--all", "--wait"); a.code != exitDone || a.err != "" {
		t.Errorf("with no replica to wait for: %+v", a)
	}
	for _, r := range replicas {
		if code := r.wait(); code != exitDone {
			t.Errorf("exit code %d", code)
		}
	}
}
