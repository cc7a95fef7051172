package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/program"
	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// TestShellBlocksRun runs the blocks marked as sh, page by page. Each page has its
// own directory and redis-server, and one bash runs all its blocks. ltsworker and
// redis-cli are in PATH and use that server.
//
// A text block right after an sh block is its expected output (standard output and
// standard error). In it, … matches any text that differs between runs. A block with
// an expected output may fail; any other block must succeed. A comment, which the
// page does not show, is run like a block:
//
//	<!-- sh
//	redis-cli CONFIG SET maxmemory-policy noeviction
//	-->
//
// Then the shown blocks of all pages are run once more, one page after the other on
// one Redis. The pages in alone are left out.
//
// A page in Chinese is left out if it has the same blocks as its English counterpart.
// Blocks in other languages (console, text, yaml) are not run.
func TestShellBlocksRun(t *testing.T) {
	bin := filepath.Dir(program.Path(t))
	n := 0
	chinese := translations(t)
	for _, page := range pagesIn(t, top) {
		blocks := shellOn(t, page)
		if english := chinese[page]; english != "" && slices.EqualFunc(blocks, shellOn(t, english), shell.same) {
			continue
		}
		if len(blocks) == 0 {
			continue
		}
		n += len(blocks)
		t.Run(strings.TrimPrefix(filepath.ToSlash(page), "../"), func(t *testing.T) {
			t.Parallel()
			runShell(t, bin, blocks)
		})
	}
	if n == 0 {
		t.Fatal("there is no sh block on any page")
	}
	t.Logf("%d blocks", n)
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		runShell(t, bin, followed(t))
	})
}

func TestMain(m *testing.M) { os.Exit(program.Main(m.Run)) }

// alone are the pages that a reader cannot follow by typing only what they show.
var alone = map[string]bool{
	"operations.md": true, // the page does not show the commands that break the server
	"progress.md":   true, // needs a program in Go
}

// followed returns the commands of a reader who types every shown block: of the README, then of all
// pages in the order of the index. They run in one directory and on one Redis. The replicas of a
// page continue to run when the next page begins. A page in Chinese has the blocks of its English
// counterpart and is left out.
func followed(t *testing.T) (blocks []shell) {
	t.Helper()
	done := map[string]bool{}
	chinese := translations(t)
	for _, l := range append([]link{{target: "../README.md"}}, linksOn(t, "README.md")...) {
		page, _, _ := strings.Cut(l.target, "#")
		if filepath.Ext(page) != ".md" || alone[page] || done[page] || chinese[filepath.Join(top, "docs", page)] != "" {
			continue
		}
		done[page] = true
		for _, b := range shellOn(t, page) {
			if !b.hidden {
				blocks = append(blocks, b)
			} else {
				t.Errorf("%s:%d: a command that a reader has to type is hidden", page, b.line)
			}
		}
	}
	return blocks
}

var idInShell = regexp.MustCompile(`(?:--id |"id":")([\w-]+)`)

// TestIDsAreOfOnePage checks that pages do not share task ids, so that the tasks of one page cannot
// conflict with those of another. A page in Chinese has the ids of its English counterpart.
func TestIDsAreOfOnePage(t *testing.T) {
	on := map[string]string{}
	chinese := translations(t)
	for _, page := range pagesIn(t, top) {
		if chinese[page] != "" {
			continue
		}
		for _, b := range shellOn(t, page) {
			for _, m := range idInShell.FindAllStringSubmatch(b.text, -1) {
				if other, ok := on[m[1]]; ok && other != page {
					t.Errorf("%s:%d: the id %s is already on %s", page, b.line, m[1], other)
				}
				on[m[1]] = page
			}
		}
	}
	if len(on) == 0 {
		t.Fatal("there is no id on any page")
	}
}

var setInShell = regexp.MustCompile(`\$\{?LTS_\w+(:-)?`)

// TestShownCommandsNeedNoVariable checks that a shown block that uses a variable of ltsworker gives a
// default: most readers have not set it.
func TestShownCommandsNeedNoVariable(t *testing.T) {
	for _, page := range pagesIn(t, top) {
		for _, b := range shellOn(t, page) {
			for _, m := range setInShell.FindAllStringSubmatch(b.text, -1) {
				if m[1] == "" && !b.hidden {
					t.Errorf("%s:%d: %s has no default", page, b.line, m[0])
				}
			}
		}
	}
}

// shell is a block to run. prints is the output that the page shows.
type shell struct {
	page   string
	line   int // of its first command
	text   string
	hidden bool // it is in a comment
	shown  bool // the page shows its output
	prints string
}

// same reports whether two blocks do the same.
func (s shell) same(o shell) bool {
	return s.text == o.text && s.hidden == o.hidden && s.shown == o.shown && s.prints == o.prints
}

func shellOn(t *testing.T, page string) (blocks []shell) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var (
		end    string // the end of the open block
		sh     bool   // the open block is run
		output bool   // the open block is the output of the last block that is run
		after  bool   // only empty lines since the last block that is run
	)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case end != "" && line == end:
			after, end, sh, output = sh && end == "```", "", false, false
		case sh:
			blocks[len(blocks)-1].text += line + "\n"
		case output:
			blocks[len(blocks)-1].prints += line + "\n"
		case end != "":
		case line == "```sh", line == "<!-- sh":
			blocks = append(blocks, shell{page: page, line: n + 1, hidden: line == "<!-- sh"})
			sh, end = true, "```"
			if line == "<!-- sh" {
				end = "-->"
			}
		case line == "```text" && after:
			blocks[len(blocks)-1].shown = true
			output, end = true, "```"
		case strings.HasPrefix(line, "```"):
			end = "```"
		case line != "":
			after = false
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if end != "" {
		t.Errorf("%s: a block has no end", page)
	}
	return blocks
}

// mark stands before what each block prints, and at last before how bash ended.
const mark = "\x1e"

func runShell(t *testing.T, bin string, blocks []shell) {
	t.Helper()
	server := redisserver.Start(t)
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal("redis-cli, a part of the redis-server installation, is missing:  ", err)
	}
	dir, own := t.TempDir(), t.TempDir()
	write(t, filepath.Join(own, "redis-cli"), fmt.Sprintf("#!/bin/sh\nexec %s -p %s \"$@\"\n", cli, port))
	source, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}

	var script strings.Builder
	script.WriteString("trap 'code=$?; printf \"\\n" + mark + "%s\\n\" $code; kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for _, b := range blocks {
		set := "-"
		if b.shown {
			set = "+"
		}
		fmt.Fprintf(&script, "{ set -u -o pipefail; set %se; printf '\\n%s'; } 2>/dev/null\n%s", set, mark, b.text)
	}
	script.WriteString("exit 0\n")
	write(t, filepath.Join(own, "page.sh"), script.String())

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(own, "page.sh"))
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "NO_COLOR=1", "SOURCE="+source, "REDIS_PORT="+port,
		"PATH="+own+string(os.PathListSeparator)+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"LTS_REDIS=redis://"+server.Addr()+"/0", "LTS_POOL=")
	out, err := cmd.CombinedOutput()
	parts := strings.Split(string(out), "\n"+mark)
	outputs, code := parts[1:max(len(parts)-1, 1)], parts[len(parts)-1]
	for i, got := range outputs {
		b := blocks[i]
		last := i == len(outputs)-1 && (err != nil || strings.TrimSpace(code) != "0")
		switch {
		case b.shown && !printed(b.prints).MatchString(strings.TrimRight(got, "\n")+"\n"):
			t.Errorf("%s:%d: printed\n%s\nthe page says\n%s", b.page, b.line, got, b.prints)
		case last:
			t.Errorf("%s:%d: failed with %s after\n%s", b.page, b.line, strings.TrimSpace(code), got)
		}
	}
	if len(outputs) < len(blocks) && !t.Failed() {
		b := blocks[len(outputs)]
		t.Errorf("%s:%d: not run: %v:\n%s", b.page, b.line, err, out)
	}
}

var columns = regexp.MustCompile(` {2,}`)

// printed matches what a page says that a block prints. A line with nothing but …
// stands for any number of lines.
func printed(page string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(page, "\n"), "\n") {
		if line == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		line = strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
		// How far apart columns are follows from what is in them.
		b.WriteString(columns.ReplaceAllString(line, " {2,}") + ` *\n`)
	}
	return regexp.MustCompile(`^` + b.String() + `$`)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestShownOutputMayLeaveThingsOut(t *testing.T) {
	for i, c := range []struct {
		page, out string
		want      bool
	}{
		{"a … c\n", "a b c", true},
		{"a … c\n", "a b\nc", false},
		{"a\n…\nd\n", "a\nb\nc\nd", true},
		{"a\n…\nd\n", "a\nd", true},
		{"…\nd\n…\n", "a\nb\nd", true},
		{"…\nd\n…\n", "a\nb\nc", false},
		{"a.c\n", "abc", false},
		{"A  B\n", "A     B", true},
		{"A  B\n", "A B", false},
	} {
		if got := printed(c.page).MatchString(c.out + "\n"); got != c.want {
			t.Error(strconv.Itoa(i), got)
		}
	}
}
