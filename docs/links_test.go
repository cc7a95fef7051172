package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// top is the top of the tree, relative to this folder.
const top = ".."

// pagesIn lists the pages of the tree as paths relative to this folder, without the pages of other
// projects.
func pagesIn(t *testing.T, root string) (pages []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(path) == ".md":
			pages = append(pages, filepath.Clean(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestLinksLeadSomewhere checks that the files and headings to which pages link exist. It does not
// check links out of the tree.
func TestLinksLeadSomewhere(t *testing.T) {
	anchors := map[string]map[string]bool{}
	n := 0
	for _, page := range pagesIn(t, top) {
		for _, l := range linksOn(t, page) {
			if strings.Contains(l.target, "://") || strings.HasPrefix(l.target, "mailto:") {
				continue
			}
			n++
			path, anchor, _ := strings.Cut(l.target, "#")
			file := page
			if path != "" {
				file = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			if rel, err := filepath.Rel(top, file); err != nil || strings.HasPrefix(rel, "..") {
				t.Errorf("%s:%d: %s is not in the tree", page, l.line, l.target)
				continue
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s:%d: %s does not exist", page, l.line, l.target)
				continue
			}
			if anchor == "" {
				continue
			}
			if anchors[file] == nil {
				anchors[file] = anchorsOn(t, file)
			}
			if !anchors[file][anchor] {
				t.Errorf("%s:%d: %s has no heading #%s", page, l.line, file, anchor)
			}
		}
	}
	if n == 0 {
		t.Fatal("no page links to another")
	}
	t.Logf("%d links", n)
}

// TestEveryPageCanBeFound checks that the index links to all pages of this folder.
func TestEveryPageCanBeFound(t *testing.T) {
	linked := map[string]bool{"README.md": true}
	for _, l := range linksOn(t, "README.md") {
		path, _, _ := strings.Cut(l.target, "#")
		linked[filepath.Clean(path)] = true
	}
	for _, page := range pagesIn(t, ".") {
		if !linked[page] {
			t.Errorf("README.md of this folder has no link to %s", page)
		}
	}
}

// link is a link on a page.
type link struct {
	line   int
	target string
}

var (
	linkText = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	codeSpan = regexp.MustCompile("`[^`]*`")
)

func linksOn(t *testing.T, page string) (links []link) {
	t.Helper()
	for n, line := range prose(t, page) {
		line = codeSpan.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat("x", len(s)) })
		for _, m := range linkText.FindAllStringSubmatch(line, -1) {
			links = append(links, link{line: n + 1, target: m[1]})
		}
	}
	return links
}

// anchorsOn are the names that GitHub gives to the headings of a page.
func anchorsOn(t *testing.T, page string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	times := map[string]int{}
	for _, line := range prose(t, page) {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		if level == 0 || level > 6 || !strings.HasPrefix(line[level:], " ") {
			continue
		}
		name := anchor(line[level:])
		if again := times[name]; again > 0 {
			all[name+"-"+strconv.Itoa(again)] = true
		} else {
			all[name] = true
		}
		times[name]++
	}
	return all
}

var shownText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// anchor is the name of a heading: small letters, digits, hyphens and underscores,
// with hyphens for spaces.
func anchor(heading string) string {
	heading = shownText.ReplaceAllString(strings.TrimSpace(heading), "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// prose is a page line by line, with code blocks blanked out.
func prose(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	inside := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence || inside || strings.HasPrefix(line, "    ") {
			lines[i] = ""
		}
		if fence {
			inside = !inside
		}
	}
	if inside {
		t.Errorf("%s: a code block has no end", page)
	}
	return lines
}

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	for heading, want := range map[string]string{
		" What Redis may lose":      "what-redis-may-lose",
		" `doctor --fix`, and why?": "doctor---fix-and-why",
		" A [link](x.md) in it":     "a-link-in-it",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("%q: %q, want %q", heading, got, want)
		}
	}
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	if err := os.WriteFile(page, []byte("# One\n\n```sh\n# Two\n```\n\n## One\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := anchorsOn(t, page)
	if len(got) != 2 || !got["one"] || !got["one-1"] || slices.Contains(prose(t, page), "# Two") {
		t.Error(got)
	}
}
