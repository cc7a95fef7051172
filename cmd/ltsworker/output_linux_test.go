package main

import (
	"os"
	"strings"
	"testing"
)

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.awaitReplicas(1)
	u.must("enqueue", "say", "--id", "a", "--max-attempts", "1")
	u.run("wait", "a")
	for _, args := range []string{"get a", "logs a", "ls", "wait a", "retry a", "run-now --kind none --yes", "stop --kind none --yes", "delete --kind none --yes", "enqueue echo",
		"stats", "queues", "replicas", "limit", "limit default 7", "pause", "resume", "doctor", "reap", "drain --all"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		cmd := u.command(strings.Fields(args)...)
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = full, &said
		_ = cmd.Run() // the test checks the exit code
		full.Close()
		if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%s: exit code %d: %s", args, cmd.ProcessState.ExitCode(), said.String())
		}
	}
}
