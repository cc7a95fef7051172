package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestATaskOnHoldIsShownAndStarted(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if out := u.must("enqueue", "x", "--id", "a", "--hold"); out != "a\tscheduled\n" {
		t.Errorf("got %q", out)
	}
	u.must("enqueue", "x", "--id", "b", "--delay", "1h")
	if got := u.shown("a"); !got.Hold || got.DueAt != "" || got.State != task.Scheduled {
		t.Errorf("got %+v", got)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"get", "a"}, "ltsworker start: it is on hold"},
		{[]string{"ls", "--hold"}, "on hold"},
		{[]string{"stats"}, "2, 1 on hold"},
		{[]string{"stats", "--json"}, `"scheduled":2,"hold":1`},
		{[]string{"logs", "a"}, "the task is scheduled, on hold"},
		{[]string{"start", "--help"}, "ltsworker run-now"},
	} {
		if out := u.must(c.args...); !strings.Contains(out, c.says) {
			t.Errorf("%v: got %q, want %q", c.args, out, c.says)
		}
	}
	if out := u.must("ls", "--hold", "--json"); strings.Contains(out, `"id":"b"`) {
		t.Errorf("got %q", out)
	}
	if out := u.must("start", "--hold", "--yes"); out != "queued 1 task\n" || u.state("a") != task.Waiting || u.state("b") != task.Scheduled {
		t.Errorf("got %q", out)
	}
	if got := u.shown("a"); got.Hold || got.DueAt == "" {
		t.Errorf("got %+v", got)
	}
	for _, flags := range [][]string{{"--delay", "1h"}, {"--at", "2199-01-01T00:00:00Z"}} {
		a := u.run(append([]string{"enqueue", "x", "--hold"}, flags...)...)
		if a.code != exitUsage || !strings.Contains(a.err, flags[0]+" and --hold cannot both be set") {
			t.Errorf("%v: %+v", flags, a)
		}
	}
}
