//go:build unix

package main

import (
	"strings"
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
	other := u.startReplica()
	u.awaitReplicas(2)
	frozen.signal(syscall.SIGSTOP)
	// Its last heartbeat was long ago, and its lease ends when the other replica has drained.
	u.redis("HSET", "lts:{"+u.pool+"}:replica:"+id, "seen_at", 1)
	silent := "ltsworker: replica " + id + " went silent: it did not drain\n"
	var out, said strings.Builder
	cmd := u.command("drain", "--all", "--wait")
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other.wait()
	u.endLeases()
	_ = cmd.Wait() // the test checks the exit code
	if a := (answer{cmd.ProcessState.ExitCode(), out.String(), said.String()}); a != (answer{exitFailed, "asked 2 replicas to drain\n1 replica ended\n", "ltsworker: waiting for 2 replicas to end\n" + silent}) {
		t.Errorf("got %+v", a)
	}
	// The replica is still known, so the command can ask it to drain.
	if a := u.run("drain", id, "nosuch", "--wait"); a != (answer{exitFailed, "asked 1 replica to drain\n", "ltsworker: drain nosuch: no such replica\nreplica " + id + " went silent: it did not drain\n"}) {
		t.Errorf("got %+v", a)
	}
}
