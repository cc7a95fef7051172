package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPageIsReplacedBetweenItsLinesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("before\n"+figuresBegin+"outdated\n"+figuresEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newResults()
	r.add(drainLabel(50), names["ours"], "tasks/s", 1000)
	r.add(drainLabel(50), names["asynq"], "tasks/s", 500)
	r.add(commandsLabel, names["ours"], "commands/s", 0.5)
	for range 2 { // the second time finds what the first wrote
		if err := writePage(path, r); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		"| no-op tasks, 50 slots, tasks/s | 1,000 | 500 | – | – | – | – |", "This run reached 1 of the project's 2 targets",
		"| drain, 50 slots | asynq | ltsworker ≥ 5 × this | 2.00 |",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, text)
		}
	}
	if !strings.HasPrefix(text, "before\n"+figuresBegin) || !strings.HasSuffix(text, figuresEnd+"after\n") || strings.Contains(text, "outdated") {
		t.Errorf("the page is\n%s", text)
	}
}
