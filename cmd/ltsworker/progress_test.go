package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

func TestManyTasksAreEnqueuedAndRetriedAtATerminal(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var lines strings.Builder
	const n = 1201 // three batches
	for range n {
		lines.WriteString(`{"kind":"x"}` + "\n")
	}
	u.write("many.ndjson", lines.String(), 0o600)
	if out := u.must("enqueue", "--batch", "many.ndjson"); strings.Count(out, "\n") != n {
		t.Errorf("got %d lines", strings.Count(out, "\n"))
	}
	m := u.terminal(80, 24, "stop", "--kind", "x", "--yes")
	m.await("stopped 1201 tasks")
	m = u.terminal(80, 24, "retry", "--kind", "x", "--yes")
	m.await("put back 1201 tasks")
	if code := m.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestCountingBeforeAChangeShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var lines strings.Builder
	for range 250 {
		lines.WriteString(`{"kind":"x"}` + "\n")
	}
	lines.WriteString(`{"kind":"x","group":"g"}` + "\n")
	u.pipe(lines.String(), "enqueue", "--batch", "-")
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr()
	// The delay is longer than the wait before a bar is shown. The bar appears for the calls after
	// it.
	p.StrikeMeanwhile("stats", 1, faultproxy.Nothing, func() { time.Sleep(terminal.Patience) }) // the delay is the subject
	m := u.terminal(80, 24, "stop", "--group", "g")
	m.await("1 task would be stopped. Go on?")
	if out := m.written(); !strings.Contains(out, "tasks checked") || !strings.Contains(out, "/251") {
		t.Errorf("nothing was shown: %q", out)
	}
	m.press("y\r")
	m.await("stopped 1 task")
}

func TestAChangeThatNobodyIsAskedAboutLooksOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const n = 400
	u.pipe(strings.Repeat(`{"kind":"x"}`+"\n", n), "enqueue", "--batch", "-")
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr()
	m := u.terminal(80, 24, "stop", "--kind", "x", "--yes")
	m.await("stopped 400 tasks")
	if sent := p.Attempts(); sent >= 2*n {
		t.Errorf("%d tasks took %d commands", n, sent)
	}
}

func TestReadingABatchShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	file := filepath.Join(u.dir, "batch")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	m := u.terminal(80, 24, "enqueue", "--batch", "batch")
	in, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The input repeats one task, so that the command reads many lines and makes few tasks.
	lines := 0
	u.until("a count is shown", func() bool {
		if _, err := in.WriteString(strings.Repeat(`{"kind":"x","id":"a"}`+"\n", 100)); err != nil {
			t.Fatal(err)
		}
		lines += 100
		return strings.Contains(m.written(), " lines read")
	})
	in.Close()
	if code := m.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	// The delay has passed, so the bar appears at once.
	if out := m.written(); !strings.Contains(out, "/"+strconv.Itoa(lines)) {
		t.Errorf("no bar is shown: %q", out[:min(len(out), 2000)])
	}
}

func TestTheClockOfAChangeGoesOnAfterTheQuestion(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.pipe(strings.Repeat(`{"kind":"x"}`+"\n", 250), "enqueue", "--batch", "-")
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr()
	p.StrikeMeanwhile("stats", 1, faultproxy.Nothing, func() { time.Sleep(terminal.Patience) }) // longer than the delay before a bar is shown
	m := u.terminal(80, 24, "stop", "--kind", "x")
	m.await("250 tasks would be stopped. Go on?")
	before := len(m.written())
	m.press("y\r")
	m.await("stopped 250 tasks")
	if out := m.written()[before:]; !strings.Contains(out, "/250") {
		t.Errorf("nothing is shown after the question: %q", out)
	}
}
