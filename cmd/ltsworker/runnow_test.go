package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestScheduledTasksAreRunNow(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id, "--delay", "1h")
	}
	u.must("enqueue", "x", "--id", "other", "--queue", "other", "--delay", "1h")
	if out := u.must("run-now", "a"); out != "queued 1 task\n" || u.state("a") != task.Waiting {
		t.Errorf("got %q", out)
	}
	if out := u.must("run-now", "a", "b", "--json"); out != `{"action":"run-now","tasks":1,"before":1}`+"\n" || u.state("b") != task.Waiting {
		t.Errorf("got %q", out)
	}
	if a := u.run("run-now", "--queue", "default"); a.code != exitUsage || !strings.Contains(a.err, "1 task would be queued; nothing was changed") {
		t.Errorf("got %+v", a)
	}
	m := u.terminal(80, 24, "run-now", "--queue", "default")
	m.await("1 task would be queued. Go on? [y/N]")
	m.press("y\r")
	m.await("queued 1 task")
	if c, other := u.state("c"), u.state("other"); c != task.Waiting || other != task.Scheduled {
		t.Errorf("c is %s, other is %s", c, other)
	}
	u.must("stop", "c")
	if a := u.run("run-now", "c", "none"); a.code != exitFailed || !strings.Contains(a.err, "c: task is not scheduled, it is stopped") ||
		!strings.Contains(a.err, "none: no such task") {
		t.Errorf("got %+v", a)
	}
}
