package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

func TestReapTakesBackTheTasksOfADeadReplica(t *testing.T) {
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h")
	u.awaitRunning()
	r.signal(syscall.SIGKILL)
	r.wait()
	u.must("enqueue", "hold", "--id", "late", "--ttl", "1ms")

	// Nobody else is left to do it. The lease has two seconds to go.
	var lost, expired int
	for deadline := time.Now().Add(patience); lost+expired < 2; {
		got := decodeLines[reapRecord](t, u.must("reap", "--json"))[0]
		lost, expired = lost+got.LeasesLost, expired+int(got.Expired)
		if time.Now().After(deadline) {
			t.Fatalf("%d leases lost, %d tasks expired; want one of each", lost, expired)
		}
	}
	for id, want := range map[string]worker.State{"h": worker.Waiting, "late": worker.Expired} {
		if got := decodeLines[taskRecord](t, u.must("get", id, "--json"))[0]; got.State != want {
			t.Errorf("%s is %s, want %s", id, got.State, want)
		}
	}
	if out := u.must("reap"); !strings.Contains(out, "0 ended leases without a report, 0 tasks expired, 0 entries repaired\n") {
		t.Errorf("got %s", out)
	}
}
