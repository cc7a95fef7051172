package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// translations maps the Chinese pages, which are the pages of zh and the Chinese README, to their
// English counterparts. The paths are those that pagesIn returns for the tree.
func translations(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{filepath.Join(top, "README.zh-CN.md"): filepath.Join(top, "README.md")}
	docs := filepath.Join(top, "docs")
	found, err := filepath.Glob(filepath.Join(docs, "zh", "*.md"))
	if err != nil || len(found) == 0 {
		t.Fatal("pages in zh: ", found, err)
	}
	for _, page := range found {
		pages[page] = filepath.Join(docs, filepath.Base(page))
	}
	return pages
}

// TestChinesePagesFollowTheEnglishOnes checks that a Chinese page has the headings of its English
// counterpart, by level and in order, and the same code blocks.
func TestChinesePagesFollowTheEnglishOnes(t *testing.T) {
	for page, english := range translations(t) {
		want, err := os.ReadFile(english)
		if err != nil {
			t.Errorf("%s has no counterpart: %v", page, err)
			continue
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := difference(outline(string(want)), outline(string(got))); diff != "" {
			t.Errorf("%s and %s: %s", english, page, diff)
		}
	}
}

// TestEnglishAndChinesePagesLinkToEachOther checks the link to the other language.
func TestEnglishAndChinesePagesLinkToEachOther(t *testing.T) {
	for page, english := range translations(t) {
		for _, pair := range [][2]string{{page, english}, {english, page}} {
			from, to := pair[0], pair[1]
			found := false
			for _, l := range linksOn(t, from) {
				found = found || filepath.Join(filepath.Dir(from), filepath.FromSlash(l.target)) == to
			}
			if !found {
				t.Errorf("%s has no link to %s", from, to)
			}
		}
	}
}

// piece is a heading of a page, or a code block.
type piece struct {
	line  int
	level int    // of a heading; 0 for a block
	text  string // of a block: its text with its language; of a heading: for messages
}

func (p piece) String() string {
	if p.level > 0 {
		return fmt.Sprintf("line %d: heading %s %s", p.line, strings.Repeat("#", p.level), p.text)
	}
	return fmt.Sprintf("line %d: block %q", p.line, p.text)
}

// outline returns the headings and code blocks of a page in order.
func outline(page string) (pieces []piece) {
	inside := false
	for i, line := range strings.Split(page, "\n") {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		switch fence := strings.HasPrefix(line, "```"); {
		case fence && !inside:
			pieces, inside = append(pieces, piece{line: i + 1, text: line[3:] + "\n"}), true
		case fence:
			inside = false
		case inside:
			pieces[len(pieces)-1].text += line + "\n"
		case level > 0 && level <= 6 && strings.HasPrefix(line[level:], " "):
			pieces = append(pieces, piece{line: i + 1, level: level, text: line[level+1:]})
		}
	}
	return pieces
}

// difference describes the first one between the outlines of an English and of a
// Chinese page. The texts of headings may differ.
func difference(english, chinese []piece) string {
	for i, want := range english {
		if i == len(chinese) {
			return fmt.Sprintf("the Chinese page ends before %v", want)
		}
		got := chinese[i]
		if want.level != got.level || want.level == 0 && want.text != got.text {
			return fmt.Sprintf("%v, in Chinese %v", want, got)
		}
	}
	if len(chinese) > len(english) {
		return fmt.Sprintf("the English page ends before %v", chinese[len(english)])
	}
	return ""
}

func TestADifferenceBetweenTheLanguagesIsFound(t *testing.T) {
	const english = "# One\n\nText.\n\n```sh\n# a comment\nls\n```\n\n## Two\n\n```text\na\n```\n"
	for name, c := range map[string]struct{ chinese, want string }{
		"the same": {"# 一\n\n文字。\n\n更多文字。\n\n```sh\n# a comment\nls\n```\n\n## 二\n\n```text\na\n```\n", ""},
		"heading missing": {"# 一\n\n```sh\n# a comment\nls\n```\n\n```text\na\n```\n",
			`line 10: heading ## Two, in Chinese line 8: block "text\na\n"`},
		"last heading missing": {"# 一\n\n```sh\n# a comment\nls\n```\n", "the Chinese page ends before line 10: heading ## Two"},
		"heading added": {"# 一\n\n## 二\n\n```sh\n# a comment\nls\n```\n\n## 三\n\n```text\na\n```\n",
			`line 5: block "sh\n# a comment\nls\n", in Chinese line 3: heading ## 二`},
		"last heading added": {"# 一\n```sh\n# a comment\nls\n```\n## 二\n```text\na\n```\n## 三\n",
			"the English page ends before line 10: heading ## 三"},
		"level": {"# 一\n\n```sh\n# a comment\nls\n```\n\n### 二\n\n```text\na\n```\n",
			"line 10: heading ## Two, in Chinese line 8: heading ### 二"},
		"block missing": {"# 一\n\n## 二\n\n```text\na\n```\n",
			`line 5: block "sh\n# a comment\nls\n", in Chinese line 3: heading ## 二`},
		"last block missing": {"# 一\n\n```sh\n# a comment\nls\n```\n\n## 二\n", `the Chinese page ends before line 12: block "text\na\n"`},
		"comment in a block": {"# 一\n\n```sh\n# 注释\nls\n```\n\n## 二\n\n```text\na\n```\n",
			`line 5: block "sh\n# a comment\nls\n", in Chinese line 3: block "sh\n# 注释\nls\n"`},
		"language of a block": {"# 一\n\n```console\n# a comment\nls\n```\n\n## 二\n\n```text\na\n```\n",
			`line 5: block "sh\n# a comment\nls\n", in Chinese line 3: block "console\n# a comment\nls\n"`},
		"blocks swapped": {"# 一\n\n```text\na\n```\n\n## 二\n\n```sh\n# a comment\nls\n```\n",
			`line 5: block "sh\n# a comment\nls\n", in Chinese line 3: block "text\na\n"`},
	} {
		if got := difference(outline(english), outline(c.chinese)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
