package main

import (
	"bufio"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/task"
)

func TestGetSaysWhatAWaitingTaskWaitsFor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "hold", "--id", "a", "--group", "acme")
	holds := func(id, text string) {
		t.Helper()
		got := ""
		for line := range strings.Lines(u.must("get", id)) {
			if rest, ok := strings.CutPrefix(line, "held by "); ok {
				got = regexp.MustCompile(` \(on \S+ for [^)]*\)`).ReplaceAllString(strings.TrimSpace(rest), "")
			}
		}
		if got != text {
			t.Errorf("%s is held by %q, want %q", id, got, text)
		}
		var ids []string
		for _, h := range decodeLines[record.Task](t, u.must("get", id, "--json"))[0].HeldBy {
			if ids = append(ids, h.ID); h.Replica == "" || h.RunMS < 0 || h.RunMS > time.Hour.Milliseconds() {
				t.Errorf("%s: holder %+v", id, h)
			}
		}
		if got := strings.Join(ids, ","); got != text {
			t.Errorf("as JSON %s is held by %q, want %q", id, got, text)
		}
	}
	want := func(id, text string) {
		t.Helper()
		got := ""
		for line := range strings.Lines(u.must("get", id)) {
			if rest, ok := strings.CutPrefix(line, "waits for "); ok {
				got = strings.TrimSpace(rest)
			}
		}
		if got != text {
			t.Errorf("%s: got %q, want %q", id, got, text)
		}
	}
	want("a", "a replica: none serves the queue")
	u.must("pause", "default")
	want("a", "resume: the queue is paused")
	u.must("pause")
	want("a", "resume: the pool is paused")
	u.startReplica()
	u.awaitReplicas(1)
	u.must("resume", "default")
	u.must("resume")
	u.awaitRunning()
	want("a", "")

	u.must("limit", "--group", "acme", "1")
	u.must("enqueue", "hold", "--id", "b", "--group", "acme")
	want("b", "the end of a task of group acme: 1 run, the limit is 1")
	holds("a", "")
	holds("b", "a")
	u.must("limit", "default", "1")
	u.must("enqueue", "hold", "--id", "c")
	want("c", "the end of a task of the queue: 1 run, the limit is 1")
	holds("c", "a")
	u.must("limit", "--total", "1")
	u.must("limit", "default", "none")
	want("c", "the end of a task of the pool: 1 run, the limit is 1")
	holds("c", "a")
	u.must("enqueue", "unheard-of", "--id", "d")
	want("d", "a replica with a handler for the kind")
	u.must("stop", "d")
	u.must("limit", "--total", "none")
	for _, id := range []string{"e", "f", "g"} {
		u.must("enqueue", "hold", "--id", id)
	}
	u.until("all slots are taken", func() bool {
		return decodeLines[record.Stats](t, u.must("stats", "--json"))[0].Running == 4
	})
	want("g", "a slot: all 4 for the queue are taken")
	if out := u.must("get", "g"); !strings.Contains(out, ", and 1 more\n") || strings.Count(out, "(on ") != 3 {
		t.Errorf("the holders of the slots are not named: %s", out)
	}
	if r := decodeLines[record.Task](t, u.must("get", "g", "--json"))[0]; len(r.HeldBy) != 3 || r.HeldByMore != 1 {
		t.Errorf("as JSON: %+v", r)
	}
	u.write("go", "", 0o600)
	u.must("wait", "a", "b", "c", "e", "f", "g")
}

func TestWaitSaysOnATerminalThatNoReplicaCanRunTheTask(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	m := u.terminal(120, 24, "enqueue", "x", "--id", "a", "--wait")
	m.await("a waits: no replica serves queue default")
	if shown := m.written(); strings.Count(shown, "no replica") != 1 {
		t.Error(shown)
	}
	u.startReplica()
	u.awaitReplicas(1)
	m.await("no_handler") // the replica has ended it
	u.must("enqueue", "hold", "--id", "b")
	u.awaitState("b", task.Running)
	u.must("limit", "default", "1")
	u.must("enqueue", "x", "--id", "c")
	m = u.terminal(120, 24, "wait", "b", "c")
	if out := m.await("c waits: no replica of queue default has a handler for kind x"); strings.Contains(out, "b waits") {
		t.Error(out)
	}
	u.must("stop", "c")
	u.write("go", "", 0o600)
	m.wait()
	if a := u.run("wait", "--timeout", "1ms", "c"); strings.Contains(a.err, "no replica") {
		t.Errorf("%+v", a)
	}
}

func TestWaitSaysOnceThatNoReplicaCanRunTheTask(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--id", "a")
	at, err := redisurl.Parse("redis://"+u.addr+"/0", false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(t.Context(), at, u.pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tasks, err := c.Find(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	lines, errOut := io.Pipe()
	cmd := &cobra.Command{}
	cmd.SetErr(errOut)
	stop := reportUnserved(t.Context(), cmd, c, tasks, time.Millisecond)
	read := bufio.NewReader(lines)
	if line, err := read.ReadString('\n'); err != nil || line != "ltsworker: a waits: no replica serves queue default\n" {
		t.Errorf("got %q, %v", line, err)
	}
	go func() {
		stop()
		errOut.Close()
	}()
	if rest, err := io.ReadAll(read); len(rest) > 0 || err != nil {
		t.Errorf("then got %q, %v", rest, err)
	}
}

func TestGetShowsATaskOfWhichNobodyKnowsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	u.must("enqueue", "x", "--id", "a", "--group", "acme")
	reader := *u
	reader.env = []string{"LTS_REDIS=" + s.User(t, "reader", "~*", "+@read", "+@connection", "+@scripting", "+time", "-zcount").URL(), "LTS_POOL=" + u.pool}
	if out := reader.must("get", "a"); !strings.Contains(out, "waits for  unknown: permission denied: this user may not run a command of a script") || !strings.Contains(out, "group      acme") {
		t.Errorf("got %s", out)
	}
	u.redis("SET", "lts:{"+u.pool+"}:task:a", "w0 1700000000000 4468415255281664 x - group=ac{me\n")
	if out := u.must("get", "a"); !strings.Contains(out, "waits for  unknown: groups: group must not contain") || !strings.Contains(out, "kind       x\n") {
		t.Errorf("got %s", out)
	}
}

func TestGetReadsThePoolOnce(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, id := range []string{"a", "b", "c"} {
		u.must("enqueue", "x", "--id", id, "--group", "acme")
	}
	p := faultproxy.Start(t, u.addr)
	u.env[0] = "LTS_REDIS=redis://" + p.Addr()
	u.must("stats") // makes the script known to Redis
	before := p.Calls("stats")
	if out := u.must("get", "a", "b", "c"); strings.Count(out, "waits for  a replica: none serves the queue") != 3 {
		t.Errorf("got %s", out)
	}
	if n := p.Calls("stats") - before; n != 1 {
		t.Errorf("the pool was read %d times", n)
	}
}
