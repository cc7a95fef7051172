package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
)

func TestGetSaysWhatAWaitingTaskWaitsFor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "hold", "--id", "a", "--group", "acme")
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
	u.must("limit", "default", "1")
	u.must("enqueue", "hold", "--id", "c")
	want("c", "the end of a task of the queue: 1 run, the limit is 1")
	u.must("limit", "--total", "1")
	u.must("limit", "default", "none")
	want("c", "the end of a task of the pool: 1 run, the limit is 1")
	u.must("enqueue", "unheard-of", "--id", "d")
	want("d", "a replica with a handler for the kind")
	u.must("stop", "d")
	u.must("limit", "--total", "none")
	for _, id := range []string{"e", "f", "g"} {
		u.must("enqueue", "hold", "--id", id)
	}
	u.until("all slots are taken", func() bool {
		return decodeLines[statsRecord](t, u.must("stats", "--json"))[0].Running == 4
	})
	want("g", "a slot: all 4 for the queue are taken")
	u.write("go", "", 0o600)
	u.must("wait", "a", "b", "c", "e", "f", "g")
}

func TestGetShowsATaskOfWhichNobodyKnowsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	u.must("enqueue", "x", "--id", "a", "--group", "acme")
	reader := *u
	reader.env = []string{"LTS_REDIS=" + s.User(t, "reader", "~*", "+@read", "+@connection", "+@scripting", "+time", "-zcount").URL(), "LTS_POOL=" + u.pool}
	if out := reader.must("get", "a"); !strings.Contains(out, "waits for  unknown: stats: ERR The user") || !strings.Contains(out, "group      acme") {
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
