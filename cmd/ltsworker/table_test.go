package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func tableOf(width int) string {
	var buf bytes.Buffer
	tab := newTable(&buf, "ID", "KIND", "PRIORITY", "STATE", "NOTE")
	tab.width = width
	tab.spare("PRIORITY")
	tab.row("0197f3a2-6c1e-7d3b", "email.send", "5", "failed", "日本語 something went wrong with a long message")
	tab.row("short", "x", "0", "waiting", "")
	if err := tab.flush(); err != nil {
		panic(err)
	}
	return buf.String()
}

func TestTableIsWholeWhereThereIsNoTerminal(t *testing.T) {
	want := `ID                  KIND        PRIORITY  STATE    NOTE
0197f3a2-6c1e-7d3b  email.send  5         failed   日本語 something went wrong with a long message
short               x           0         waiting
`
	if diff := cmp.Diff(want, tableOf(0)); diff != "" {
		t.Error(diff)
	}
}

func TestTableFitsEveryTerminalAndKeepsItsNames(t *testing.T) {
	for width := 20; width < 120; width++ {
		out := tableOf(width)
		for line := range strings.Lines(out) {
			// Two columns of the least width, those that are never cut, and what is between them.
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > max(width, 2*leastColumn+len("email.send")+len("waiting")+3*columnGap) {
				t.Errorf("%d columns in a terminal of %d: %s", n, width, line)
			}
		}
		if width >= 50 && !strings.Contains(out, "0197f3a2-6c1e-7d3b ") {
			t.Errorf("in a terminal of %d the name is cut:\n%s", width, out)
		}
		if width < 55 && strings.Contains(out, "PRIORITY") {
			t.Errorf("in a terminal of %d a spare column is there:\n%s", width, out)
		}
	}
	want := `ID                  KIND        STATE    NOTE
0197f3a2-6c1e-7d3b  email.send  failed   日本語 somet…
short               x           waiting
`
	if diff := cmp.Diff(want, tableOf(54)); diff != "" {
		t.Error(diff)
	}
}

func TestTableIsolatesRightToLeftNamesOnATerminal(t *testing.T) {
	for screen, want := range map[bool]string{
		false: "QUEUE      GROUP  STATE\nفاتورة-42  a      waiting\nx          عميل   failed\n",
		true:  "QUEUE      GROUP  STATE\n\u2068فاتورة-42\u2069  a      waiting\nx          \u2068عميل\u2069   failed\n",
	} {
		var buf bytes.Buffer
		tab := newTable(&buf, "QUEUE", "GROUP", "STATE")
		tab.screen = screen
		tab.row("فاتورة-42", "a", "waiting")
		tab.row("x", "عميل", "failed")
		if err := tab.flush(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, buf.String()); diff != "" {
			t.Errorf("terminal: %v\n%s", screen, diff)
		}
	}
	var buf bytes.Buffer
	tab := newTable(&buf, "QUEUE", "STATE")
	tab.screen, tab.width = true, 30
	tab.row(strings.Repeat("عميل", 10), "waiting")
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(buf.String(), "…\u2069  waiting") {
		t.Errorf("a name that was cut is not isolated to its end: %s", buf.String())
	}
}

func TestFiguresAndStatesAreNeverCut(t *testing.T) {
	for width := 40; width < 120; width++ {
		var buf bytes.Buffer
		tab := newTable(&buf, "QUEUE", "RUNNING", "MAX LEN", "STATE")
		tab.width = width
		tab.row(strings.Repeat("q", 73), "100000/1000000", "10000000", "groups full")
		tab.row("short", "0", "none", "")
		if err := tab.flush(); err != nil {
			t.Fatal(err)
		}
		if line := strings.Split(buf.String(), "\n")[1]; ansi.StringWidth(line) > max(width, 45) || !strings.HasSuffix(line, "  100000/1000000  10000000  groups full") {
			t.Errorf("in a terminal of %d: %s", width, line)
		}
	}
}

func TestAShortTerminalShowsWhatMatters(t *testing.T) {
	u := newUser(t)
	long := "a-queue-" + strings.Repeat("x", 65)
	u.must("enqueue", "email.send", "--queue", long)
	u.must("limit", long, "1000000")
	for command, want := range map[string]string{"stats": "1000000", "queues": "0/1000000"} {
		m := u.terminal(80, 24, command)
		m.await(want, "a-queue-xxxx")
		m.wait()
	}
	u.must("enqueue", "email.send", "--id", "0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a")
	u.must("stop", "0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a", "--why", "a reason that is longer than the room for it")
	m := u.terminal(60, 12, "ls", "--state", "stopped")
	m.await("email.send  stopped ", "a rea…")
	m.wait()
}

func TestNamesOfAnyScriptAreShownAndTaken(t *testing.T) {
	u := newUser(t)
	u.must("enqueue", "إرسال", "--id", "عميل-٧", "--queue", "计费", "--group", "ग्राहक", "--unique", "https://x.y/?customer=7")
	m := u.terminal(120, 12, "ls", "--queue", "计费")
	m.await("计费")
	m.wait()
	for _, name := range []string{"عميل-٧", "إرسال"} {
		m.mu.Lock()
		raw := m.raw.String()
		m.mu.Unlock()
		if !strings.Contains(raw, isolated(name)) {
			t.Errorf("%s is not isolated on a terminal: %q", name, raw)
		}
	}
	if out := u.must("ls", "--group", "ग्राहक"); !strings.Contains(out, "عميل-٧") || strings.Contains(out, isolateStart) {
		t.Errorf("in a pipe: %q", out)
	}
	if out := u.must("get", isolated("عميل-٧")); !strings.Contains(out, "计费") {
		t.Errorf("by the name that was copied from a terminal: %q", out)
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
		t.Errorf("a longer one: exit code %d, %s", a.code, a.err)
	}
	for _, bad := range []string{"🚀", "a\u3164", "a\ufe0f", "e\u0301"} {
		if a := u.run("enqueue", bad); a.code != exitUsage {
			t.Errorf("%+q: exit code %d, %s", bad, a.code, a.err)
		}
	}
}
