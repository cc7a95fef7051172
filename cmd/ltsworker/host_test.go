package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

// The replica was killed, and maintenance has removed it: an attempt that it lost still shows where
// it ran.
func TestLostAttemptShowsItsHostAfterTheReplicaWasRemoved(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "h")
	u.awaitRunning()
	where := " (" + host + ", 127.0.0.1)"
	if got := u.shown("h"); got.Host != host || got.IP != "127.0.0.1" || !strings.Contains(u.must("get", "h"), got.Replica+where) {
		t.Errorf("the running task is shown as %+v", got)
	}
	if live := decodeLines[record.Replica](t, u.must("replicas", "--json"))[0]; live.Host != host || live.IP != "127.0.0.1" {
		t.Errorf("the replica is shown as %+v", live)
	}
	if out := u.must("replicas"); !strings.Contains(out, "127.0.0.1") {
		t.Errorf("replicas prints %s", out)
	}
	r.signal(syscall.SIGKILL)
	r.wait()
	u.endLeases()
	removed, lost := 0, int64(0)
	u.until("the replica was removed", func() bool {
		got := decodeLines[reapRecord](t, u.must("reap", "--json"))[0]
		removed, lost = removed+got.Replicas, lost+int64(got.LeasesLost)
		return removed > 0 && lost > 0
	})
	got := u.shown("h")
	if len(got.History) != 1 || got.History[0].Host != host || got.History[0].IP != "127.0.0.1" {
		t.Fatalf("the lost attempt is shown as %+v", got.History)
	}
	if out := u.must("get", "h"); !strings.Contains(out, " on "+got.History[0].Replica+where+"\n") {
		t.Errorf("get prints %s", out)
	}
}
