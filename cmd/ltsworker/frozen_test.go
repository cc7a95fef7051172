//go:build unix

package main

import (
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

func TestAFrozenReplicaHasNotDrained(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	frozen := u.startReplica()
	u.awaitReplicas(1)
	id := decodeLines[record.Replica](t, u.must("replicas", "--json"))[0].ID
	u.startReplica()
	u.awaitReplicas(2)
	frozen.signal(syscall.SIGSTOP)
	silent := "ltsworker: replica " + id + " went silent: it did not drain\n"
	if a := u.run("drain", "--all", "--wait"); a != (answer{exitFailed, "asked 2 replicas to drain\n1 replica ended\n", "ltsworker: waiting for 2 replicas to end\n" + silent}) {
		t.Errorf("got %+v", a)
	}
	// The replica is still known, so the command can ask it to drain.
	if a := u.run("drain", id, "nosuch", "--wait"); a != (answer{exitFailed, "asked 1 replica to drain\n", "ltsworker: drain nosuch: no such replica\nreplica " + id + " went silent: it did not drain\n"}) {
		t.Errorf("got %+v", a)
	}
}
