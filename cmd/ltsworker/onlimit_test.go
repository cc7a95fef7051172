package main

import (
	"strings"
	"testing"
)

func TestAnEnqueueFailsInsteadOfWaiting(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("limit", "default", "1")
	u.must("enqueue", "x", "--id", "a", "--on-limit", "fail")
	if a := u.run("enqueue", "x", "--id", "b", "--on-limit", "fail"); a.code != exitFailed || !strings.Contains(a.err, "limit is reached: queue default") {
		t.Errorf("got %+v", a)
	}
	u.must("enqueue", "x", "--id", "c", "--on-limit", "wait")
	u.write("tasks", `{"kind":"x","id":"d","on_limit":"fail"}`+"\n", 0o600)
	if a := u.run("enqueue", "--batch", "tasks", "--json"); a.code != exitFailed || !strings.Contains(a.out, `"outcome":"refused"`) {
		t.Errorf("got %+v", a)
	}
	for flags, says := range map[string]string{
		"--on-limit never":           "--on-limit must be wait or fail, not",
		"--on-limit fail --delay 1h": "--delay and --on-limit fail cannot both be set",
		"--on-limit fail --hold":     "--hold and --on-limit fail cannot both be set",
	} {
		if a := u.run(append([]string{"enqueue", "x"}, strings.Fields(flags)...)...); a.code != exitUsage || !strings.Contains(a.err, says) {
			t.Errorf("%s: %+v", flags, a)
		}
	}
}
