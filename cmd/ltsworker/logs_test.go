package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestLogsShowEveryAttemptWithItsLog(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "say", `{"n":1}`, "--id", "a", "--max-attempts", "2", "--backoff", "fixed:1")
	if a := u.run("wait", "a"); a.code != exitFailed {
		t.Fatalf("got %+v", a)
	}
	got := decodeLines[logRecord](t, u.must("logs", "a", "--json"))
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	for i, l := range got {
		if l.ID != "a" || l.Attempt != int64(i+1) || l.Code != task.CodeError || l.Replica == "" || l.At == "" ||
			l.Log != "\x1b[31mtried\nagain\n" {
			t.Errorf("got %+v", l)
		}
	}
	out := u.must("logs", "a")
	for _, want := range []string{"attempt 1: error after ", "attempt 2: error after ", `    \x1b[31mtried` + "\n    again\n", "the task is failed (error)\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("the output has a control character: %q", out)
	}
	if a := u.run("logs", "none"); a.code != exitFailed || a.err != "ltsworker: none: no such task\n" {
		t.Errorf("got %+v", a)
	}
}
