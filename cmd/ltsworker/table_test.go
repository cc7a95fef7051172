package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
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
			// Five columns of the least width and what is between them.
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > max(width, 4*leastColumn+3*columnGap) {
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
