//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestAStopSaysWhatRunningTasksWereAsked(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.startReplica()
	u.must("enqueue", "hold", "--id", "a", "--retain", "1h")
	u.must("enqueue", "hold", "--id", "held", "--retain", "1h")
	u.until("both tasks run", func() bool { return u.state("a") == task.Running && u.state("held") == task.Running })
	u.must("enqueue", "x", "--queue", "other", "--id", "b")
	// The frozen replica does not end the task.
	r.signal(syscall.SIGSTOP)
	for _, tt := range [][2]string{
		{"held --json", `{"action":"stop","tasks":1,"asked":1,"before":0}` + "\n"},
		{"a b", "stopped 1 task; asked 1 running task to stop\n"},
		{"a", "1 running task had been asked to stop before\n"},
		{"a b", "1 had been stopped before; 1 running task had been asked to stop before\n"},
		{"--kind hold --yes", "2 running tasks had been asked to stop before\n"},
		{"a b --json", `{"action":"stop","tasks":0,"before":2}` + "\n"},
	} {
		if out := u.must(append([]string{"stop"}, strings.Fields(tt[0])...)...); out != tt[1] {
			t.Errorf("stop %s: got %q, want %q", tt[0], out, tt[1])
		}
	}
	u.must("enqueue", "x", "--queue", "other", "--id", "c")
	if out := u.must("stop", "c", "--json"); out != `{"action":"stop","tasks":1,"before":0}`+"\n" {
		t.Errorf("got %q", out)
	}
}
