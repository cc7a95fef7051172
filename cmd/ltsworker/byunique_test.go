package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestAUniqueKeyNamesItsTask(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const key = "https://x.y/?customer=7"
	u.must("enqueue", "x", "--id", "old", "--unique", key)
	u.must("stop", "old")
	u.must("enqueue", "x", "--id", "a", "--unique", key, "--hold")
	if out := u.must("get", "--unique", key); !strings.Contains(out, "a\n") {
		t.Errorf("got %q", out)
	}
	for _, c := range []struct {
		args  []string
		out   string
		state task.State
	}{
		{[]string{"change", "--unique", key, "--priority", "3"}, "changed 1 task\n", task.Scheduled},
		{[]string{"start", "--unique", key}, "queued 1 task\n", task.Waiting},
		{[]string{"stop", "--unique", task.UniqueKey(key)}, "stopped 1 task\n", task.Stopped},
		{[]string{"retry", "--unique", key, "--payload", "1"}, "put back 1 task\n", task.Waiting},
	} {
		if out := u.must(c.args...); out != c.out || u.state("a") != c.state || u.state("old") != task.Stopped {
			t.Errorf("%v: got %q, a is %s", c.args, out, u.state("a"))
		}
	}
	if a := u.run("retry", "--unique", key); a.code != exitFailed || !strings.Contains(a.err, "has not ended, it is waiting") {
		t.Errorf("got %+v", a)
	}
	for _, verb := range []string{"get", "stop", "retry", "start"} {
		if a := u.run(verb, "--unique", "none"); a.code != exitFailed || !strings.Contains(a.err, `unique key "none": no such task`) {
			t.Errorf("%s: %+v", verb, a)
		}
	}
	if a := u.run("get", "a", "--unique", key); a.code != exitUsage {
		t.Errorf("got %+v", a)
	}
	// Together with other flags it selects tasks as before.
	if a := u.run("stop", "--unique", key, "--kind", "x"); a.code != exitUsage || !strings.Contains(a.err, "1 task would be stopped; nothing was changed") {
		t.Errorf("got %+v", a)
	}
}
