package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
)

func tableOf(width int) string {
	var buf bytes.Buffer
	tab := NewTable(&buf, "ID", "KIND", "PRIORITY", "STATE", "NOTE")
	tab.width = width
	tab.Spare("PRIORITY")
	tab.Row("0197f3a2-6c1e-7d3b", "email.send", "5", "failed", "日本語 something went wrong with a long message")
	tab.Row("short", "x", "0", "waiting", "")
	if err := tab.Flush(); err != nil {
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
		tab := NewTable(&buf, "QUEUE", "GROUP", "STATE")
		tab.screen = screen
		tab.Row("فاتورة-42", "a", "waiting")
		tab.Row("x", "عميل", "failed")
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, buf.String()); diff != "" {
			t.Errorf("terminal: %v\n%s", screen, diff)
		}
	}
	var buf bytes.Buffer
	tab := NewTable(&buf, "QUEUE", "STATE")
	tab.screen, tab.width = true, 30
	tab.Row(strings.Repeat("عميل", 10), "waiting")
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(buf.String(), "…\u2069  waiting") {
		t.Errorf("a name that was cut is not isolated to its end: %s", buf.String())
	}
}

func TestFiguresAndStatesAreNeverCut(t *testing.T) {
	for width := 40; width < 120; width++ {
		var buf bytes.Buffer
		tab := NewTable(&buf, "QUEUE", "RUNNING", "MAX LEN", "STATE")
		tab.width = width
		tab.Row(strings.Repeat("q", 73), "100000/1000000", "10000000", "groups full")
		tab.Row("short", "0", "none", "")
		if err := tab.Flush(); err != nil {
			t.Fatal(err)
		}
		if line := strings.Split(buf.String(), "\n")[1]; ansi.StringWidth(line) > max(width, 45) || !strings.HasSuffix(line, "  100000/1000000  10000000  groups full") {
			t.Errorf("in a terminal of %d: %s", width, line)
		}
	}
}
