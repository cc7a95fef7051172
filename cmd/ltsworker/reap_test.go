package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestReapTakesBackTheTasksOfADeadReplica(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h")
	u.awaitRunning()
	r.signal(syscall.SIGKILL)
	r.wait()
	u.endLeases()
	u.must("enqueue", "hold", "--id", "late", "--ttl", "1ms")
	u.must("enqueue", "hold", "--id", "due", "--delay", "1ms")
	u.must("enqueue", "hold", "--id", "kept")
	u.must("stop", "kept")
	u.redis("ZADD", "lts:{"+u.pool+"}:ended:stopped", 1, "kept")

	// No replica is left to run the maintenance.
	var did reapRecord
	u.until("all is done", func() bool {
		got := decodeLines[reapRecord](t, u.must("reap", "--json"))[0]
		did.LeasesLost += got.LeasesLost
		did.Due += got.Due
		did.Late += got.Late
		did.Removed += got.Removed
		did.Replicas += got.Replicas
		return did.LeasesLost*did.Due*did.Late*did.Removed*did.Replicas > 0
	})
	if want := (reapRecord{LeasesLost: 1, Due: 1, Late: 1, Removed: 1, Replicas: 1}); !cmp.Equal(want, did) {
		t.Errorf("the command reported %+v", did)
	}
	if a := u.run("get", "kept"); a.code != exitFailed {
		t.Errorf("the kept task still exists: %s", a.out)
	}
	for id, want := range map[string]task.State{"h": task.Waiting, "late": task.Expired, "due": task.Waiting} {
		if got := decodeLines[record.Task](t, u.must("get", id, "--json"))[0]; got.State != want {
			t.Errorf("%s is %s, want %s", id, got.State, want)
		}
	}
	if out := u.must("reap"); !strings.HasPrefix(out, "there was nothing to do; the next thing is due in ") {
		t.Errorf("got %s", out)
	}
	u.must("enqueue", "hold", "--id", "due2", "--delay", "1ms")
	if out := u.must("reap"); !strings.HasPrefix(out, "1 task was due; ") {
		t.Errorf("got %s", out)
	}
}
