package main

import (
	"strings"
	"testing"
)

func TestGetSaysWhatAWaitingTaskWaitsFor(t *testing.T) {
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
	want("b", "a place in group acme: 1 run, the limit is 1")
	u.must("limit", "default", "1")
	u.must("enqueue", "hold", "--id", "c")
	want("c", "a place in the queue: 1 run, the limit is 1")
	u.must("limit", "--total", "1")
	u.must("limit", "default", "none")
	want("c", "a place in the pool: 1 run, the limit is 1")
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
