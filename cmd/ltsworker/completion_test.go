package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestShellsAreOfferedWhatFits(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x", "--queue", "slow")
	u.must("limit", "--group", "acme", "2")
	u.admit("nonsense")
	reject := u.rejects()[0].ID
	offered := func(args ...string) []string {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(u.must(append([]string{"__completeNoDesc"}, args...)...)), "\n")
		if last := lines[len(lines)-1]; last != ":4" && args[len(args)-1] == "" {
			t.Errorf("%q: files are offered as well: %s", args, last)
		}
		return lines[:len(lines)-1] // the last line says whether files are offered
	}
	for args, want := range map[string][]string{
		"pause ":        {"slow"},
		"pause slow ":   nil,
		"dra":           {"drain"},
		"ls --queue ":   {"slow"},
		"get ":          nil,
		"ls --pool ":    nil,
		"enqueue --id ": nil,

		"stop --state ":           {"scheduled", "waiting", "running", "exporting"},
		"run-now --state ":        {"scheduled"},
		"stop --state scheduled,": {"scheduled,waiting", "scheduled,running", "scheduled,exporting"},
		"ls --queue other,":       {"other,slow"},
		"limit ":                  {"slow"},
		"limit slow ":             {"none"},
		"limit --total ":          {"none"},
		"limit --group acme ":     {"none", "default"},
		"limit slow none ":        nil,
		"limit --group ":          {"acme"},
		"rejected ":               {"list", "show", "put-back", "drop"},
		"rejected list ":          nil,
		"rejected show ":          {reject},
		"rejected drop --al":      {"--all"},
		"enqueue --backoff ":      {"exponential:1000:600000", "fixed:5000"},
		"run --log-for":           {"--log-format"},
	} {
		// A busy machine may take longer than completionTimeout. Then nothing is offered.
		u.until(fmt.Sprintf("%q offers %q", args, want), func() bool {
			return slices.Equal(offered(strings.Split(args, " ")...), want)
		})
	}
	if got := offered("ls", "--state", ""); !slices.Contains(got, "failed") || len(got) != 8 {
		t.Errorf("offered %q", got)
	}
	u.env = []string{"LTS_REDIS=redis://127.0.0.1:1/0"}
	if got := offered("pause", ""); len(got) > 0 {
		t.Errorf("without Redis: %q", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := u.must("completion", shell); !strings.Contains(out, "ltsworker") {
			t.Errorf("the script for %s: %q", shell, out)
		}
	}
}

func TestCompletionShowsNoMarksOfTheHelp(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	for args, want := range map[string]string{
		"enqueue --bat":          "--batch\tFILE with one task per line, - for standard input",
		"run --heal":             "--health\tserve /live and /ready at HOST:PORT (default the config file's)",
		"rejected put-back --fi": "--file\tread the text from FILE, - for standard input",
		"ls --redi":              "--redis\tRedis URL without a password, or @FILE that holds one with it",
	} {
		if got, _, _ := strings.Cut(u.must(append([]string{"__complete"}, strings.Split(args, " ")...)...), "\n"); got != want {
			t.Errorf("%q: offered %q, want %q", args, got, want)
		}
	}
	for _, cmd := range newRoot().Commands() {
		if out := u.must("__complete", cmd.Name(), "--"); strings.Contains(out, "`") {
			t.Errorf("%s: offered %s", cmd.Name(), out)
		}
	}
	if out := u.must("enqueue", "--help"); !strings.Contains(out, "--batch FILE ") {
		t.Errorf("the help has lost the names of the values:\n%s", out)
	}
}
