package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// listed returns the first cells of the rows.
func listed(out string) []string {
	var first []string
	for line := range strings.Lines(out) {
		first = append(first, strings.Fields(line)[0])
	}
	return first
}

func TestListSelectsSortsAndShowsColumns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.awaitReplicas(1)
	const key = "https://x.y/?customer=7,8"
	u.must("enqueue", "fail", "--id", "a", "--priority", "2", "--max-attempts", "1")
	u.run("wait", "a")
	u.must("enqueue", "hold", "--id", "b", "--group", "acme")
	u.awaitState("b", task.Running)
	u.must("enqueue", "x", "--queue", "other", "--id", "c", "--priority", "9", "--label", "gpu", "--label", "zone=eu")
	u.must("enqueue", "x", "--queue", "other", "--id", "d", "--priority", "-9", "--delay", "1h", "--unique", key)
	replica := decodeLines[record.Replica](t, u.must("replicas", "--json"))[0].ID
	reason := decodeLines[record.Task](t, u.must("get", "a", "--json"))[0].Error
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--replica", replica}, []string{"ID", "b", "a"}},
		{[]string{"--replica", replica, "--state", "running"}, []string{"ID", "b"}},
		{[]string{"--error", strings.ToUpper(reason[1:])}, []string{"ID", "a"}},
		{[]string{"--unique", key}, []string{"ID", "d"}},
		{[]string{"--unique", task.UniqueKey(key), "--state", "scheduled"}, []string{"ID", "d"}},
		{[]string{"--older", "1ms"}, []string{"ID", "d", "c", "b", "a"}},
		{[]string{"--group", "acme"}, []string{"ID", "b"}},
		{[]string{"--label", "zone=eu,gpu"}, []string{"ID", "c"}},
		{[]string{"--label", "gpu", "--columns", "labels"}, []string{"LABELS", "gpu"}},
		{[]string{"--sort", "id"}, []string{"ID", "a", "b", "c", "d"}},
		{[]string{"--sort=-id"}, []string{"ID", "d", "c", "b", "a"}},
		{[]string{"--sort=-id", "--limit", "2"}, []string{"ID", "d", "c"}},
		{[]string{"--sort", "priority"}, []string{"ID", "d", "b", "a", "c"}},
		{[]string{"--sort", "age"}, []string{"ID", "d", "c", "b", "a"}},
		{[]string{"--sort=-age"}, []string{"ID", "a", "b", "c", "d"}},
		{[]string{"--sort=-running", "--limit", "1"}, []string{"ID", "b"}}, // tasks that do not run are last
		{[]string{"--sort", "replica", "--limit", "1", "--state", "running,waiting"}, []string{"ID", "b"}},
		{[]string{"--columns", "priority,id", "--sort", "priority"}, []string{"PRIORITY", "-9", "0", "2", "9"}},
	} {
		if diff := cmp.Diff(tt.want, listed(u.must(append([]string{"ls"}, tt.args...)...))); diff != "" {
			t.Errorf("ls %s (-want +got):\n%s", strings.Join(tt.args, " "), diff)
		}
	}
	if a := u.run("ls", "--older", "1h"); a.out != "" || !strings.Contains(a.err, "no task of pool "+u.pool+" matches; 4 tasks read") {
		t.Errorf("%+v", a)
	}
	if out := u.must("ls", "--state", "running"); !strings.Contains(out, replica) || !strings.Contains(out, "acme") || !strings.Contains(out, "RUNNING") {
		t.Error(out)
	}
	if a := u.run("ls", "--sort=-id", "--limit", "2"); !strings.Contains(a.err, "more than 2") {
		t.Errorf("%+v", a)
	}
	for _, args := range [][]string{{"--sort", "what"}, {"--columns", "idd"}, {"--columns", "id", "--json"}, {"--older", "soon"}, {"--error", ""}} {
		if a := u.run(append([]string{"ls"}, args...)...); a.code != exitUsage {
			t.Errorf("ls %v: %+v", args, a)
		}
	}
	u.write("go", "", 0o600)
	u.must("wait", "b")
}

// A list is written while it is read, so that it ends early at a limit. A sorted list with a limit
// keeps few tasks in memory.
func TestSortedListOfManyTasksIsThatOfAllOfThem(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var batch strings.Builder
	want := []string{}
	for i := range 1300 {
		fmt.Fprintf(&batch, `{"kind":"x","id":"t%04d"}`+"\n", (i*7)%1300)
	}
	for i := range 3 {
		want = append(want, fmt.Sprintf("t%04d", 1299-i))
	}
	u.pipe(batch.String(), "enqueue", "--batch", "-")
	var got []string
	for _, r := range decodeLines[record.Task](t, u.must("ls", "--sort=-id", "--limit", "3", "--json")) {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListWithoutAMatchShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.pipe(strings.Repeat(`{"kind":"x"}`+"\n", 250), "enqueue", "--batch", "-")
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr()
	// The delay is longer than the wait before a bar is shown.
	p.StrikeMeanwhile("stats", 1, faultproxy.Nothing, func() { time.Sleep(terminal.Patience) }) // the delay is the subject
	m := u.terminal(120, 24, "ls", "--kind", "y")
	m.await("no task of pool", "250 tasks read")
	if out := m.written(); !strings.Contains(out, "tasks checked") || !strings.Contains(out, "/250") {
		t.Errorf("nothing was shown: %q", out)
	}
}

func TestAgesAreOfTheClockOfRedis(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{50 * time.Hour, -50 * time.Hour} {
		u := newUser(t)
		s := redisserver.Start(t, redisserver.Clock(t))
		u.addr, u.env = s.Addr(), []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=" + u.pool}
		s.SetClock(t, ahead)
		u.must("enqueue", "x", "--id", "a")
		u.must("enqueue", "x", "--id", "b", "--delay", "5h")
		for _, args := range [][]string{{"ls"}, {"ls", "--columns", "id,age,due"}, {"get", "a"}, {"get", "b"}} {
			out := u.must(args...)
			if strings.Contains(out, "2d") || strings.Contains(out, "1d") {
				t.Errorf("%v with the clock %v ahead:\n%s", args, ahead, out)
			}
			if strings.Contains(out, "b ") && !strings.Contains(out, "in 4h59m") && !strings.Contains(out, "in 5h0m") {
				t.Errorf("%v with the clock %v ahead shows no due time:\n%s", args, ahead, out)
			}
		}
		if out := u.must("ls", "--older", "4h", "--json"); out != "" {
			t.Error(out)
		}
		s.SetClock(t, ahead+4*time.Hour)
		if got := decodeLines[struct{ ID json.RawMessage }](t, u.must("ls", "--older", "4h", "--json")); len(got) != 2 {
			t.Errorf("%d tasks are older than 4h", len(got))
		}
	}
}
