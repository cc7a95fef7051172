package docs_test

import (
	"bufio"
	"bytes"
	"errors"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	// These imports are used by the blocks. They keep go test from reusing a cached result after
	// these packages have changed.
	_ "github.com/ltsworker/ltsworker/admission"
	_ "github.com/ltsworker/ltsworker/alert/webhook"
	_ "github.com/ltsworker/ltsworker/archive"
	_ "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator"
	_ "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/container/memory_container"
	_ "github.com/ltsworker/ltsworker/console"
	_ "github.com/ltsworker/ltsworker/executor/async"
	_ "github.com/ltsworker/ltsworker/executor/command"
	_ "github.com/ltsworker/ltsworker/executor/docker"
	_ "github.com/ltsworker/ltsworker/executor/remote"
	_ "github.com/ltsworker/ltsworker/export/file"
	_ "github.com/ltsworker/ltsworker/observe/metrics"
	_ "github.com/ltsworker/ltsworker/observe/traces"
	_ "github.com/ltsworker/ltsworker/pool/pooltest"
	_ "github.com/ltsworker/ltsworker/trigger/calendar"
)

// packages maps the names that a block may use without an import to their packages. A block that
// begins with "package" is a file and has its own imports.
var packages = map[string]string{
	"admission":  "github.com/ltsworker/ltsworker/admission",
	"metrics":    "github.com/ltsworker/ltsworker/observe/metrics",
	"traces":     "github.com/ltsworker/ltsworker/observe/traces",
	"access":     "github.com/ltsworker/ltsworker/console/access",
	"archive":    "github.com/ltsworker/ltsworker/archive",
	"calendar":   "github.com/ltsworker/ltsworker/trigger/calendar",
	"async":      "github.com/ltsworker/ltsworker/executor/async",
	"command":    "github.com/ltsworker/ltsworker/executor/command",
	"docker":     "github.com/ltsworker/ltsworker/executor/docker",
	"file":       "github.com/ltsworker/ltsworker/export/file",
	"miniredis":  "github.com/alicebob/miniredis/v2",
	"pool":       "github.com/ltsworker/ltsworker/pool",
	"pooltest":   "github.com/ltsworker/ltsworker/pool/pooltest",
	"remote":     "github.com/ltsworker/ltsworker/executor/remote",
	"redis":      "github.com/redis/go-redis/v9",
	"redisstore": "github.com/ltsworker/ltsworker/redisstore",
	"callback":   "github.com/ltsworker/ltsworker/callback",
	"console":    "github.com/ltsworker/ltsworker/console",
	"task":       "github.com/ltsworker/ltsworker/task",

	"context": "context", "errors": "errors", "exec": "os/exec", "fmt": "fmt", "http": "net/http",
	"json": "encoding/json", "log": "log", "os": "os", "signal": "os/signal", "slog": "log/slog",
	"strings": "strings", "sync": "sync", "synctest": "testing/synctest", "syscall": "syscall", "testing": "testing",
	"time": "time", "tls": "crypto/tls", "iter": "iter", "slices": "slices", "maps": "maps", "io": "io", "rand": "math/rand/v2",
	"sql": "database/sql",
}

// surroundings are the declarations that every block may use.
var surroundings = [][2]string{
	{"ctx", "context.Context"}, {"p", "*pool.Pool"}, {"rdb", "*redis.Client"}, {"store", "*redisstore.Store"},
	{"t", "*testing.T"}, {"id", "string"}, {"err", "error"},
}

// TestGoBlocksCompile checks every block marked as go in the documentation. A
// block may be a file, or declarations and statements in any mixture. It may use
// surroundings and the declarations of other blocks of the page, the nearest first.
// It may also use declarations in a comment, which the page does not show:
//
//	<!-- go
//	func resize(url string) error
//	-->
func TestGoBlocksCompile(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]block{}
	var paths []string
	for _, page := range append(pages, more...) {
		texts[page] = read(t, page)
		for _, b := range texts[page] {
			paths = append(paths, b.imports()...)
		}
	}
	c := newCompiler(t, paths)
	n := 0
	for page, blocks := range texts {
		// An error in a declaration is reported once, with its own block.
		told := map[string]bool{}
		p := newPage(page, blocks)
		for i, b := range blocks {
			if !b.hidden {
				n++
			}
			var errs []error
			if b.isFile() {
				errs = c.check(page, b.text, b.line, false)
			} else {
				errs = c.fragment(p, i)
			}
			for _, err := range errs {
				if told[err.Error()] {
					continue
				}
				told[err.Error()] = true
				t.Errorf("in the block at line %d: %v", b.line, err)
			}
		}
	}
	if n == 0 {
		t.Fatal("there is no block of Go in the documentation")
	}
	t.Logf("%d blocks", n)
}

// block is a piece of Go on a page. line is the number of its first line.
type block struct {
	text   string
	line   int
	hidden bool
}

func (b block) isFile() bool { return strings.HasPrefix(b.text, "package ") }

func (b block) imports() (paths []string) {
	if !b.isFile() {
		return nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.ImportsOnly)
	if err != nil {
		return nil // the compiler reports the error
	}
	for _, i := range f.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

// read returns the Go blocks of a page.
func read(t *testing.T, page string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	other := false // inside a block that is not Go
	var end string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch mark := strings.TrimSpace(line); {
		case open != nil && mark == end:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		case other:
			other = mark != "```"
		case mark == "```go":
			open, end = &block{line: n + 1}, "```"
		case mark == "<!-- go":
			open, end = &block{line: n + 1, hidden: true}, "-->"
		case strings.HasPrefix(mark, "```"):
			other = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if open != nil {
		t.Errorf("%s: the block at line %d has no end", page, open.line)
	}
	return blocks
}

func TestAWrongBlockIsFound(t *testing.T) {
	c := newCompiler(t, nil)
	for text, want := range map[string]string{
		"x := pool.Priority(\"high\")":              "cannot use",
		"type Mail struct{}\n\np.Enqueue(Mail{})\n": "not enough arguments",
		"p.Shout()": "p.Shout undefined",
		"for {":     "expected",
		"type Mail struct{}\n\nfunc (Mail) Kind() {": "expected",
	} {
		p := newPage("page.md", []block{{text: text, line: 7}})
		errs := c.fragment(p, 0)
		if len(errs) == 0 || !strings.Contains(errors.Join(errs...).Error(), want) {
			t.Errorf("%q: %v, want %q", text, errs, want)
		}
	}
}
