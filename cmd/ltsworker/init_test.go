package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

func TestInitWritesAConfigThatRuns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if out := u.must("init"); out != "wrote ltsworker.yaml; run it with: ltsworker run -c ltsworker.yaml\n" {
		t.Errorf("got %q", out)
	}
	if out := u.must("init", "it's mine.yaml"); out != `wrote it's mine.yaml; run it with: ltsworker run -c 'it'\''s mine.yaml'`+"\n" {
		t.Errorf("got %q", out)
	}
	u.startWith("ltsworker.yaml")
	out := u.must("enqueue", "echo", `"hello"`, "--wait", "--json")
	if got := decodeLines[record.Task](t, out)[0]; got.State != task.Succeeded || string(got.Result) != `"hello"` {
		t.Errorf("got %+v", got)
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
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
