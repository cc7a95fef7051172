package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestTopShowsThePoolAndActsOnKeys(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "fail", "--id", "f1")
	u.must("enqueue", "fail", "--id", "f2")
	u.run("wait", "f1", "f2")
	u.must("enqueue", "x", "--id", "w", "--queue", "slow")
	u.must("limit", "default", "7")
	m := u.terminal(80, 24, "top", "--every", "100ms")
	screen := m.await("▸ (whole pool)", "default", "0/7", "slow", "REPLICA", "0/4", "FAILED", "fail", "permanent", "why", "q quit")
	for i, line := range strings.Split(screen, "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("line %d has %d columns: %s", i, n, line)
		}
	}

	m.press("jjjjjkkp") // down into the replicas and the failures, and up to slow
	m.await("paused queue slow", "paused ")
	m.press("r")
	m.await("resumed queue slow")
	m.press("s")
	m.await("stop 1 live task of queue slow? [y/N]")
	m.press("n")
	m.await("nothing was changed")
	m.press("s")
	m.await("stop 1 live task")
	m.press("y")
	m.await("requested the stop of 1 task")
	if got := decodeLines[record.Task](t, u.must("get", "w", "--json"))[0]; got.State != task.Stopped {
		t.Errorf("got %+v", got)
	}

	m.press("\t\t\tt") // table by table to the failures
	m.await("retry 2 failed tasks of kind fail: command ended with exit status 65: why? [y/N]")
	m.press("y")
	m.await("put back 2 tasks")
	u.run("wait", "f1", "f2")
	if got := decodeLines[record.Task](t, u.must("get", "f1", "--json"))[0]; got.Generation != 1 {
		t.Errorf("got %+v", got)
	}

	m.press("\x1b[Zd") // back to the replicas
	m.await("drain replica")
	m.press("y")
	m.await("asked replica")
	m.press("1gjj\r")
	m.await("queue slow", "served by")
	m.press("\x1b")
	m.await("q quit")
	m.press("4\r")
	m.await("failures of kind fail", "f1", "f2")
	m.press("\r")
	m.await("task f", "attempt 1: permanent", "log:", "why")
	m.press("?")
	m.await("go to a table")
	m.press("qq")
	if code := m.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if raw := m.written(); !strings.Contains(raw, "\x1b[?1049h") || !strings.Contains(raw, "\x1b[?1049l\x1b[?25h") {
		t.Errorf("the terminal was not restored: %q", raw[max(0, len(raw)-200):])
	}
}

func TestTopFitsASmallTerminalAndHostileNames(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for i := range 30 {
		u.must("enqueue", "x", "--queue", fmt.Sprintf("a-queue-with-a-name-that-is-rather-long-%02d", i))
	}
	u.must("enqueue", "x", "--id", "h")
	u.must("stop", "h", "--why", "\x1b]0;title\a")
	for _, size := range [][2]int{{80, 24}, {40, 10}, {10, 3}} {
		m := u.terminal(size[0], size[1], "top", "--every", "100ms")
		m.await("ltsworker")
		if size[0] == 80 {
			m.await("more)", "REPLICA", "none", "FAILED", "q quit")
			m.press("G")
			m.await("▸ default", "q quit")
		}
		if size[0] == 40 {
			m.press("\t\t\t")
			m.await("FAILED")
		}
		if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := m.wait(); code != exitDone {
			t.Errorf("%v: exit code %d after SIGTERM", size, code)
		}
	}
}

func TestTopShowsAnOutage(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	u.must("enqueue", "x")
	m := u.terminal(80, 24, "top", "--every", "100ms")
	m.await("enqueued 1") // the pool has been read
	s.Stop(t)
	m.await("as it was", "ago")
	s.Restart(t)
	m.await(":0", "q quit")
	m.press("\x03")
	if code := m.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestTopWithoutATerminalSaysWhatElseThereIs(t *testing.T) {
	t.Parallel()
	if a := newUser(t).run("top"); a.code != exitUsage || !strings.Contains(a.err, "queues --json") {
		t.Errorf("got %+v", a)
	}
}

func TestTopNeedsNoTerminalForErrors(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.makePool()
	cmd := u.command("top", "--every", "100ms")
	var said strings.Builder
	cmd.Stderr = &said
	m := u.inTerminal(80, 24, cmd)
	m.await("▸ (whole pool)", "q quit")
	m.press("q")
	if code := m.wait(); code != exitDone || said.String() != "" {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}

func TestTopSaysWhereStopIsForTheWholePool(t *testing.T) {
	help := newTop(nil).Long
	_, s, _ := strings.Cut(help, "\n  s  ")
	if s, _, _ = strings.Cut(s, "\n  t  "); !strings.Contains(s, "whole pool") {
		t.Errorf("got %s", s)
	}
}

func TestNoColorIsHonoured(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x")
	u.must("pause", "default")
	for _, args := range []string{"queues", "ls", "top --every 100ms"} {
		for noColor, want := range map[string]bool{"": true, "1": false} {
			u := *u
			u.env = append(u.env[:len(u.env):len(u.env)], "NO_COLOR="+noColor)
			m := u.terminal(80, 24, strings.Fields(args)...)
			m.await("default")
			if strings.HasPrefix(args, "top") {
				m.await("paused")
				m.press("q")
			}
			m.wait()
			if got := coloursIn(m.written()); got != want {
				t.Errorf("%s with NO_COLOR=%q: coloured: %v, want %v\n%q", args, noColor, got, want, m.written())
			}
		}
	}
}

func TestTopStopsTheTasksThatItCounted(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	m := u.terminal(80, 24, "top", "--every", "100ms")
	m.await("▸ (whole pool)", "default")
	m.press("s")
	m.await("stop 1 live task of the whole pool? [y/N]")
	u.must("enqueue", "x", "--id", "b")
	m.press("y")
	m.await("requested the stop of 1 task")
	if a, b := u.state("a"), u.state("b"); a != task.Stopped || b != task.Waiting {
		t.Errorf("a is %s, b %s", a, b)
	}
	m.press("q")
	m.wait()
}
