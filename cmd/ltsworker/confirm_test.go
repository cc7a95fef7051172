package main

import (
	"syscall"
	"testing"

	"github.com/ltsworker/ltsworker/worker"
)

func TestAPersonIsAskedBeforeManyTasksChange(t *testing.T) {
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id)
	}
	state := func() worker.State {
		t.Helper()
		return decodeLines[taskRecord](t, u.must("get", "a", "--json"))[0].State
	}
	for keys, want := range map[string]struct {
		code  int
		says  string
		state worker.State
	}{
		"n\r":      {exitFailed, "nothing was changed", worker.Waiting},
		"\r":       {exitFailed, "nothing was changed", worker.Waiting},
		"\x04":     {exitFailed, "nothing was changed", worker.Waiting}, // end of file
		"yellow\r": {exitFailed, "nothing was changed", worker.Waiting},
	} {
		m := u.terminal(80, 24, "stop", "--kind", "x")
		m.await("3 tasks would be stopped. Go on? [y/N]")
		m.press(keys)
		if code := m.wait(); code != want.code || state() != want.state {
			t.Errorf("%q: exit code %d, state %s", keys, code, state())
		}
		m.await(want.says)
	}

	m := u.terminal(80, 24, "stop", "--kind", "x")
	m.await("Go on?")
	if err := m.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := m.wait(); code != exitFailed || state() != worker.Waiting {
		t.Errorf("interrupted: exit code %d, state %s", code, state())
	}

	m = u.terminal(80, 24, "stop", "--kind", "x")
	m.await("Go on?")
	m.press("y\r")
	if code := m.wait(); code != exitDone || state() != worker.Stopped {
		t.Errorf("agreed: exit code %d, state %s", code, state())
	}
	m.await("stopped 3 tasks")
	m = u.terminal(80, 24, "retry", "--kind", "none", "--state", "stopped")
	if code := m.wait(); code != exitDone {
		t.Errorf("nothing to ask about: exit code %d", code)
	}
	m.await("put back 0 tasks")
}
