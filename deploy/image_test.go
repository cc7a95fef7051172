package deploy

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// BuildKit itself parses the Dockerfile. The container must not run as root.
// The program must be the first process, without a shell, so that it receives
// the signal that drains it.
func TestImageIsNotRootAndGetsTheSignal(t *testing.T) {
	f, err := os.Open("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	warn := func(rule, _, _, msg string, _ []parser.Range) { t.Errorf("%s: %s", rule, msg) }
	stages, _, err := instructions.Parse(file.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 1 || stages[0].BaseName != "scratch" {
		t.Fatalf("%d stages, the first from %s", len(stages), stages[0].BaseName)
	}
	seen := map[string]bool{}
	for _, c := range stages[0].Commands {
		seen[strings.ToUpper(c.Name())] = true
		switch c := c.(type) {
		case *instructions.UserCommand:
			// Kubernetes cannot check whether a user name is root; it needs a
			// number.
			id, _, _ := strings.Cut(c.User, ":")
			if n, err := strconv.Atoi(id); err != nil || n == 0 {
				t.Errorf("it runs as %s", c.User)
			}
		case *instructions.StopSignalCommand:
			if c.Signal != "SIGTERM" {
				t.Errorf("it is stopped with %s", c.Signal)
			}
		case *instructions.EntrypointCommand:
			if c.PrependShell || len(c.CmdLine) != 1 || c.CmdLine[0] != "/ltsworker" {
				t.Errorf("it starts %q, in a shell: %v", c.CmdLine, c.PrependShell)
			}
		}
	}
	for _, name := range []string{"COPY", "USER", "STOPSIGNAL", "ENTRYPOINT"} {
		if !seen[name] {
			t.Errorf("it has no %s", name)
		}
	}
}
