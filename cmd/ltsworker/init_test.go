package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestInitWritesAConfigThatRuns(t *testing.T) {
	u := newUser(t)
	if out := u.must("init"); out != "wrote ltsworker.yaml; run it with: ltsworker run -c ltsworker.yaml\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("init", "it's mine.yaml"); out != `wrote it's mine.yaml; run it with: ltsworker run -c 'it'\''s mine.yaml'`+"\n" {
		t.Errorf("got %q", out)
	}
	u.startWith("ltsworker.yaml")
	out := u.must("enqueue", "echo", `"hello"`, "--wait", "--json")
	if got := decodeLines[taskRecord](t, out)[0]; got.State != task.Succeeded || string(got.Result) != `"hello"` {
		t.Errorf("got %+v", got)
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	u := stranger(t)
	u.write("mine.yaml", "mine", 0o600)
	if a := u.run("init", "mine.yaml"); a.code != exitUsage || !strings.Contains(a.err, "mine.yaml exists; nothing was written") {
		t.Errorf("got %+v", a)
	}
	if got, err := os.ReadFile(filepath.Join(u.dir, "mine.yaml")); err != nil || string(got) != "mine" {
		t.Errorf("got %q, %v", got, err)
	}
	if a := u.run("init", "no/such/dir.yaml"); a.code != exitUsage {
		t.Errorf("got %+v", a)
	}
}

// The lines that are commented out have to be right, too.
func TestEveryLineOfTheFirstConfigCanBeUsed(t *testing.T) {
	all := regexp.MustCompile(`(?m)^( *)#([a-z_]+:|  [a-z_]+:)`).ReplaceAllString(string(firstConfig), "$1$2")
	c := parseConfig("f.yaml", []byte(all))
	if err := c.refusal(); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	for _, key := range []string{"redis", "limit", "groups.limits", "lease", "drain_timeout", "stop_grace", "max_stuck", "health", "events.max", "events.age",
		"queues.default.limit", "queues.default.max_len", "handlers.echo.soft_timeout", "handlers.echo.max_attempts",
		"handlers.echo.max_lost", "handlers.echo.backoff", "handlers.echo.dir", "handlers.echo.env"} {
		if c.lines[strings.ReplaceAll(key, ".", keyGap)] == 0 {
			t.Errorf("%s is not shown", key)
		}
	}
}
