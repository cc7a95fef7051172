package main

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// tail reads a number of lines from a command that does not end by itself, and then interrupts it.
func (u *user) tail(args []string, lines int) string {
	u.t.Helper()
	cmd := u.command(args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	var text strings.Builder
	scan := bufio.NewScanner(out)
	for range lines {
		if !scan.Scan() {
			u.t.Fatalf("%v ended after\n%s", args, text.String())
		}
		text.WriteString(scan.Text() + "\n")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		u.t.Errorf("%v, interrupted: %v", args, err)
	}
	return text.String()
}

func TestTailShowsWhatIsBrokenOfAnEvent(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.redis("XADD", "lts:{"+u.pool+"}:events", "*", "ids", "a", "kind", "k", "at", "soon")
	if line := u.tail([]string{"tail", "--from", "0"}, 1); !strings.HasPrefix(line, "- ") || !strings.Contains(line, "broken=") || !strings.Contains(line, "soon") {
		t.Errorf("got %q", line)
	}
	events := decodeLines[record.Event](t, u.tail([]string{"tail", "--from", "0", "--json"}, 1))
	if e := events[0]; e.ID != "a" || e.At != "" || !strings.Contains(e.Broken, "soon") {
		t.Errorf("got %+v", e)
	}
}

// Events of tasks that changed together share a cursor, and --from goes on after all of
// them.
func TestTailMarksEventsThatShareACursor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("tasks", `{"kind":"x","id":"a","group":"g"}`+"\n"+`{"kind":"x","id":"b","group":"g"}`+"\n", 0o600)
	u.must("enqueue", "--batch", "tasks")
	u.must("stop", "a")
	events := decodeLines[record.Event](t, u.tail([]string{"tail", "--from", "0", "--json"}, 3))
	if a, b, c := events[0], events[1], events[2]; !a.More || b.More || c.More || a.Cursor != b.Cursor || a.Cursor == c.Cursor || a.Group != "g" || b.ID != "b" {
		t.Errorf("got %+v", events)
	}
	if rest := u.tail([]string{"tail", "--from", events[0].Cursor}, 1); !strings.Contains(rest, " stopped   a x queue=default group=g") {
		t.Errorf("got %q", rest)
	}
}

func TestTailShowsEveryChangeOfState(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a", "--delay", "1h")
	u.must("stop", "a")
	u.must("retry", "a")
	events := decodeLines[record.Event](t, u.tail([]string{"tail", "--from", "0", "--json"}, 3))
	var states []task.State
	for i, e := range events {
		states = append(states, e.State)
		if e.ID != "a" || e.Kind != "x" || e.Cursor == "" || e.At == "" || i > 0 && e.Version <= events[i-1].Version {
			t.Errorf("got %+v", e)
		}
	}
	if diff := cmp.Diff([]task.State{task.Scheduled, task.Stopped, task.Waiting}, states); diff != "" {
		t.Error(diff)
	}
	rest := u.tail([]string{"tail", "--from", events[1].Cursor}, 1)
	if !strings.Contains(rest, " waiting   a x queue=default") {
		t.Errorf("got %q", rest)
	}
}

// none exempts a group from the limit of each group; default ends that.
func TestGroupIsExemptedAndGetsTheDefaultAgain(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("limit", "--groups", "2")
	for _, step := range []struct{ set, line, all string }{
		{"none", "group none", "group none"},
		{"5", "group 5", "group 5"},
		{"default", "group 2 (default)", ""}, // the group has no limit of its own
	} {
		if out := u.must("limit", "--group", "acme", step.set); out != "limit of group acme: "+step.set+"\n" {
			t.Errorf("got %q", out)
		}
		shown := func(args ...string) string {
			for line := range strings.Lines(u.must(args...)) {
				if f := strings.Fields(line); len(f) > 4 && f[1] == "acme" {
					return strings.Join(append(f[:1], f[2:len(f)-2]...), " ")
				}
			}
			return ""
		}
		if got := shown("limit", "--group", "acme"); got != step.line {
			t.Errorf("%s: limit --group acme shows %q", step.set, got)
		}
		if got := shown("limit"); got != step.all {
			t.Errorf("%s: limit shows %q", step.set, got)
		}
	}
	want := []record.Limit{{Scope: "group", Name: "acme", Own: true}}
	if diff := cmp.Diff(want, decodeLines[record.Limit](t, u.must("limit", "--group", "acme", "none", "--json"))); diff != "" {
		t.Error(diff)
	}
	for _, args := range []string{"limit default none", "limit --total none", "limit --groups none"} {
		if out := u.must(strings.Fields(args)...); !strings.HasSuffix(out, ": none\n") {
			t.Errorf("%s: got %q", args, out)
		}
	}
}

func TestPausesAndLimitsAreSetAndShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x")
	stats := func() record.Stats {
		t.Helper()
		return decodeLines[record.Stats](t, u.must("stats", "--json"))[0]
	}
	if s := stats(); s.Pool != u.pool || s.Waiting != 1 || s.Enqueued != 1 || len(s.Queues) != 1 || s.Queues[0].Name != "default" {
		t.Errorf("got %+v", s)
	}
	if out := u.must("pause"); out != "paused the whole pool\n" || !stats().Paused {
		t.Errorf("got %q", out)
	}
	u.must("resume")
	if out := u.must("pause", "default"); out != "paused queue default\n" || stats().Paused || !stats().Queues[0].Paused {
		t.Errorf("got %q", out)
	}
	u.must("resume", "default")

	for _, args := range []string{"limit default 7", "limit --total 50", "limit --group acme 3", "limit --groups 2"} {
		u.must(strings.Fields(args)...)
	}
	want := []record.Limit{
		{Scope: "pool", Name: u.pool, Limit: 50},
		{Scope: "queue", Name: "default", Limit: 7},
		{Scope: "groups", Limit: 2},
		{Scope: "group", Name: "acme", Limit: 3, Own: true},
	}
	if diff := cmp.Diff(want, decodeLines[record.Limit](t, u.must("limit", "--json"))); diff != "" {
		t.Error(diff)
	}
	for i, args := range []string{"--total", "default", "--groups", "--group acme"} {
		got := decodeLines[record.Limit](t, u.must(append([]string{"limit", "--json"}, strings.Fields(args)...)...))
		if diff := cmp.Diff(want[i:i+1], got); diff != "" {
			t.Error(args, diff)
		}
	}
	got := decodeLines[record.Limit](t, u.must("limit", "default", "4", "--json"))
	if diff := cmp.Diff([]record.Limit{{Scope: "queue", Name: "default", Limit: 4}}, got); diff != "" {
		t.Error(diff)
	}
	if a := u.run("limit", "nosuch"); a.code != 1 || !strings.Contains(a.err, "the pool has no queue nosuch") {
		t.Errorf("got %+v", a)
	}
	if out := u.must("limit"); !strings.Contains(out, "groups  (each without its own)") {
		t.Errorf("got %s", out)
	}
	if out := u.must("stats"); !strings.Contains(out, "QUEUE") || !strings.Contains(out, "running") {
		t.Errorf("got %s", out)
	}
}
