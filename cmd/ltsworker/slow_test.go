package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

func TestTasksPastTheirSoftTimeoutAreShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.prepareReplica()
	u.write("slow.yaml", "queues:\n  default: {workers: 4}\nhandlers:\n  crawl: {command: [./hold.sh], soft_timeout: 10ms}\n  hold: {command: [./hold.sh]}\n", 0o600)
	u.startWith("slow.yaml")
	u.awaitReplicas(1)
	u.must("enqueue", "crawl", "--id", "a")
	u.must("enqueue", "hold", "--id", "b")
	get := func(id string) record.Task {
		t.Helper()
		return decodeLines[record.Task](t, u.must("get", id, "--json"))[0]
	}
	u.until("task a is marked, and b runs", func() bool { return get("a").SlowAt != "" && get("b").StartedAt != "" })
	if r := get("b"); r.SlowAt != "" {
		t.Errorf("b is slow since %s", r.SlowAt)
	}
	if out := u.must("get", "a"); !strings.Contains(out, "\nslow since ") {
		t.Errorf("got %s", out)
	}
	for _, r := range decodeLines[record.Task](t, u.must("ls", "--json")) {
		if (r.SlowAt != "") != (r.ID == "a") {
			t.Errorf("the list has %s slow since %q", r.ID, r.SlowAt)
		}
	}
	lines := strings.Split(u.must("ls", "--state", "running", "--sort=-slow", "--columns", "id,slow,note"), "\n")
	if a, b := strings.Fields(lines[1]), strings.Fields(lines[2]); len(a) != 3 || a[0] != "a" || a[2] != "slow" || len(b) != 2 || b[1] != "-" {
		t.Errorf("got %q", lines)
	}
	if a := u.run("doctor"); !strings.Contains(a.out, "1 running task is past its soft timeout") {
		t.Errorf("got %+v", a)
	}
	u.write("go", "", 0o600)
	u.must("wait", "a", "b")
	if a := u.run("doctor"); strings.Contains(a.out, "soft timeout") {
		t.Errorf("got %+v", a)
	}
}
