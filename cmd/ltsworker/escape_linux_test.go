package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

const escapeConfig = `
drain_timeout: 1s
stop_grace: 1h
queues:
  default: {workers: 4}
handlers:
  leave: {command: [./leave.sh], max_attempts: 1}
`

// escapeScript starts a process that leaves its group and holds its outputs.
const escapeScript = `#!/bin/sh
setsid sh -c 'echo $$ >pid-of-$LTS_TASK_ID; exec sleep 1000' &
until test -s pid-of-$LTS_TASK_ID; do sleep 0.02; done
echo did this >&2
exec sleep 1000
`

// A stop grace of an hour shows that nothing waits for the process outside of the group.
func TestProcessThatLeftTheGroupDelaysNoStopTimeoutOrDrain(t *testing.T) {
	u := newUser(t)
	u.write("w.yaml", escapeConfig, 0o600)
	u.write("leave.sh", escapeScript, 0o755)
	r := u.startWith("w.yaml")
	t.Cleanup(func() {
		for _, id := range []string{"timed", "stopped", "drained"} {
			text, err := os.ReadFile(u.dir + "/pid-of-" + id)
			if pid, _ := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	u.must("enqueue", "leave", "--id", "timed", "--timeout", "5s")
	u.must("enqueue", "leave", "--id", "stopped")
	u.must("enqueue", "leave", "--id", "drained")
	for _, id := range []string{"stopped", "drained"} {
		u.until("the command "+id+" runs", func() bool { return strings.Contains(u.run("logs", id).out, "did this") })
	}
	written := strings.Contains(u.run("logs", "timed").out, "did this") // always, unless the machine is very busy
	u.must("stop", "stopped")
	u.run("wait", "timed", "stopped")
	r.signal(syscall.SIGTERM)
	for r.log.Scan() {
	}
	if err := r.cmd.Wait(); err != nil {
		t.Error(err)
	}
	for id, want := range map[string]task.Code{"timed": task.CodeTimeout, "stopped": task.CodeStopped, "drained": task.CodeReleased} {
		got := decodeLines[record.Log](t, u.must("logs", id, "--json"))
		if len(got) != 1 || got[0].Code != want || got[0].Log != "did this\n" && (id != "timed" || written) {
			t.Errorf("%s: %+v, want the code %s", id, got, want)
		}
	}
}
