package main

import (
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func TestAShortTerminalShowsWhatMatters(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	long := "a-queue-" + strings.Repeat("long", 17)
	u.must("enqueue", "email.send", "--queue", long)
	u.must("limit", long, "1000000")
	for command, want := range map[string]string{"stats": "1000000", "queues": "0/1000000"} {
		m := u.terminal(80, 24, command)
		m.await(want, "a-queue-longlong")
		m.wait()
	}
	u.must("enqueue", "email.send", "--id", "0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a")
	u.must("stop", "0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a", "--why", "a reason that is longer than the room for it")
	m := u.terminal(60, 12, "ls", "--state", "stopped")
	m.await("email.send  stopped ", "a rea…")
	m.wait()
}

func TestNamesOfAnyScriptAreShownAndTaken(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "إرسال", "--id", "عميل-٧", "--queue", "计费", "--group", "ग्राहक", "--unique", "https://x.y/?customer=7")
	m := u.terminal(120, 12, "ls", "--queue", "计费")
	m.await("计费")
	m.wait()
	for _, name := range []string{"عميل-٧", "إرسال"} {
		m.mu.Lock()
		raw := m.raw.String()
		m.mu.Unlock()
		if !strings.Contains(raw, terminal.Isolated(name)) {
			t.Errorf("%s is not isolated on a terminal: %q", name, raw)
		}
	}
	if out := u.must("ls", "--group", "ग्राहक"); !strings.Contains(out, "عميل-٧") || strings.Contains(out, "\u2068") {
		t.Errorf("in a pipe: %q", out)
	}
	if out := u.must("get", terminal.Isolated("عميل-٧")); !strings.Contains(out, "计费") {
		t.Errorf("with the name copied from a terminal: %q", out)
	}
	if out := u.must("enqueue", "other", "--unique", "https://x.y/?customer=7"); !strings.Contains(out, "duplicate") {
		t.Errorf("the same unique key: %q", out)
	}
	key := strings.Repeat("? ", task.MaxUnique/2)
	u.must("enqueue", "email.send", "--unique", key)
	if out := u.must("enqueue", "email.send", "--unique", key); !strings.Contains(out, "duplicate") {
		t.Errorf("the same key of %d bytes: %q", len(key), out)
	}
	if a := u.run("enqueue", "email.send", "--unique", key+"x"); a.code != exitUsage || !strings.Contains(a.err, "--unique is 4097 bytes long") {
		t.Errorf("a longer key: exit code %d, %s", a.code, a.err)
	}
	for _, bad := range []string{"🚀", "a\u3164", "a\ufe0f", "e\u0301"} {
		if a := u.run("enqueue", bad); a.code != exitUsage {
			t.Errorf("%+q: exit code %d, %s", bad, a.code, a.err)
		}
	}
}
