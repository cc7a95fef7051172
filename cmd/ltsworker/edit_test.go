package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// shown reads a task as the command get prints it for programs.
func (u *user) shown(id string) record.Task {
	u.t.Helper()
	return decodeLines[record.Task](u.t, u.must("get", id, "--json"))[0]
}

func TestTasksGetAnotherPriorityAndPayload(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", `{"a":1}`, "--id", "a")
	u.must("enqueue", "x", "--id", "b", "--delay", "1h")
	if out := u.must("change", "a", "--priority", "5", "--payload", `{"a":2}`); out != "changed 1 task\n" {
		t.Errorf("got %q", out)
	}
	if got := u.shown("a"); got.Priority != 5 || string(got.Payload) != `{"a":2}` || got.State != task.Waiting || got.Version != 1 {
		t.Errorf("got %+v", got)
	}
	if a := u.pipe(`["b"]`, "change", "b", "--payload", "-", "--json"); a.code != exitDone || a.out != `{"action":"change","tasks":1,"before":0}`+"\n" {
		t.Errorf("got %+v", a)
	}
	if got := u.shown("b"); string(got.Payload) != `["b"]` || got.State != task.Scheduled {
		t.Errorf("got %+v", got)
	}
	if out := u.must("change", "--kind", "x", "--priority", "-3", "--yes"); out != "changed 2 tasks\n" {
		t.Errorf("got %q", out)
	}
	u.must("stop", "a")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"change", "a", "none", "--priority", "1"}, exitFailed, "task is neither waiting nor scheduled, it is stopped"},
		{[]string{"change", "a"}, exitUsage, "say what to change: --priority or --payload"},
		{[]string{"change", "a", "--priority", "128"}, exitUsage, "--priority must be a whole number from -128 to 127"},
		{[]string{"change", "a", "--payload", "text"}, exitUsage, "the payload is not JSON"},
		{[]string{"retry", "a", "--payload", "text"}, exitUsage, "the payload is not JSON"},
		{[]string{"change", "--state", "running", "--priority", "1"}, exitUsage, "cannot change running tasks, only those that are scheduled or waiting"},
	} {
		if a := u.run(c.args...); a.code != c.code || !strings.Contains(a.err, c.says) {
			t.Errorf("%v: %+v", c.args, a)
		}
	}
}

func TestARetryWithAnotherPayload(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", `"typo"`, "--id", "a")
	u.must("stop", "a")
	if out := u.must("retry", "a", "--payload", `"right"`, "--priority", "9"); out != "put back 1 task\n" {
		t.Errorf("got %q", out)
	}
	if got := u.shown("a"); got.Priority != 9 || string(got.Payload) != `"right"` || got.State != task.Waiting || got.Generation != 1 {
		t.Errorf("got %+v", got)
	}
	u.must("stop", "a")
	u.must("retry", "a")
	if got := u.shown("a"); got.Priority != 9 || string(got.Payload) != `"right"` {
		t.Errorf("got %+v", got)
	}
}
