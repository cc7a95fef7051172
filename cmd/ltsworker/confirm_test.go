package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func TestAPersonIsAskedBeforeManyTasksChange(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id)
	}
	state := func() task.State {
		t.Helper()
		return decodeLines[record.Task](t, u.must("get", "a", "--json"))[0].State
	}
	for keys, want := range map[string]struct {
		code  int
		says  string
		state task.State
	}{
		"n\r":      {exitFailed, "nothing was changed", task.Waiting},
		"\r":       {exitFailed, "nothing was changed", task.Waiting},
		"\x04":     {exitFailed, "nothing was changed", task.Waiting}, // end of file
		"yellow\r": {exitFailed, "nothing was changed", task.Waiting},
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
	if code := m.wait(); code != exitFailed || state() != task.Waiting {
		t.Errorf("interrupted: exit code %d, state %s", code, state())
	}

	m = u.terminal(80, 24, "stop", "--kind", "x")
	m.await("Go on?")
	m.press("y\r")
	if code := m.wait(); code != exitDone || state() != task.Stopped {
		t.Errorf("agreed: exit code %d, state %s", code, state())
	}
	m.await("stopped 3 tasks")
	m = u.terminal(80, 24, "retry", "--kind", "none", "--state", "stopped")
	if code := m.wait(); code != exitDone {
		t.Errorf("no matching task: exit code %d", code)
	}
	m.await("put back 0 tasks")
}

// state returns the current state of a task.
func (u *user) state(id string) task.State {
	u.t.Helper()
	return decodeLines[record.Task](u.t, u.must("get", id, "--json"))[0].State
}

func TestAYesIsForTheTasksThatWereCounted(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	// Another program wrote a record under an id that is not a valid name.
	u.redis("SET", "lts:{"+u.pool+"}:task:a b", "w0 1700000000000 4468415255281664 x -\n")
	u.redis("ZADD", "lts:{"+u.pool+"}:wait:default", 1, "a b")
	for _, step := range []struct {
		verb, past    string
		before, after task.State
	}{{"stop", "stopped", task.Waiting, task.Stopped}, {"retry", "put back", task.Stopped, task.Waiting}} {
		m := u.terminal(80, 24, step.verb, "--kind", "x")
		m.await("1 task would be " + step.past + ". Go on? [y/N]")
		late := "late-for-" + step.verb
		u.must("enqueue", "x", "--id", late)
		if step.before == task.Stopped {
			u.must("stop", late)
		}
		m.press("y\r")
		m.await(step.past + " 1 task")
		if got := u.state("a"); got != step.after {
			t.Errorf("%s: the task that was confirmed is %s", step.verb, got)
		}
		if got := u.state(late); got != step.before {
			t.Errorf("%s: the task added after the question is %s", step.verb, got)
		}
	}
}

func TestChangesTakeTheFlagsThatSelectTasks(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for id, why := range map[string]string{"a": "Disk full", "b": "disk full", "c": "no route"} {
		u.must("enqueue", "x", "--id", id, "--retain", "1h", "--unique", "key of "+id)
		u.must("stop", id, "--why", why)
	}
	for _, tt := range []struct{ args, out string }{
		{"retry --error disk --older 1h --yes", "put back 0 tasks\n"},
		{"retry --replica none --yes", "put back 0 tasks\n"},
		{"retry --error disk --older 1ms --yes", "put back 2 tasks\n"},
		{"delete --error disk --yes", "deleted 0 tasks\n"},
	} {
		if out := u.must(strings.Fields(tt.args)...); out != tt.out {
			t.Errorf("%s: got %q, want %q", tt.args, out, tt.out)
		}
	}
	if out := u.must("stop", "--unique", "key of a", "--yes"); out != "stopped 1 task\n" || u.state("a") != task.Stopped {
		t.Errorf("got %q", out)
	}
	if a := u.run("delete", "--error", "ROUTE"); a.code != exitUsage || !strings.Contains(a.err, "1 task would be deleted; nothing was changed") {
		t.Errorf("got %+v", a)
	}
	m := u.terminal(80, 24, "delete", "--error", "ROUTE")
	m.await("1 task would be deleted. Go on? [y/N]")
	m.press("y\r")
	m.await("deleted 1 task")
	if a := u.run("stop", "a", "--error", "x"); a.code != exitUsage {
		t.Errorf("got %+v", a)
	}
	for id, want := range map[string]task.State{"a": task.Stopped, "b": task.Waiting} {
		if got := u.state(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}

func TestTheTimeOfAPersonIsNotTheBars(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x")
	began := time.Now()
	m := u.terminal(80, 24, "stop", "--kind", "x")
	m.await("Go on?")
	worked := time.Since(began)
	time.Sleep(terminal.Patience) // the subject is the time that a person takes: a bar would be shown after it
	began = time.Now()
	m.press("y\r")
	m.await("stopped 1 task")
	worked += time.Since(began)
	// On a busy machine, the command itself may work long enough for a bar.
	if out := m.written(); worked < terminal.Patience && strings.Contains(out, "%") {
		t.Errorf("a bar is shown: %q", out)
	}
}
