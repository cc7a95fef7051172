package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
// counterpart, by level and in order, the same code blocks, and tables of as many rows with the same
// code and numbers in each.
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

// TestChinesePagesLinkToChinesePages checks that a Chinese page links to the Chinese version of a page
// if there is one. Its own English counterpart is the exception.
func TestChinesePagesLinkToChinesePages(t *testing.T) {
	chinese := map[string]string{}
	for page, english := range translations(t) {
		chinese[english] = page
	}
	for page, english := range translations(t) {
		for _, l := range linksOn(t, page) {
			path, _, _ := strings.Cut(l.target, "#")
			to := filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			if chinese[to] != "" && to != english {
				t.Errorf("%s:%d: the link leads to %s, not to %s", page, l.line, to, chinese[to])
			}
		}
	}
}

// piece is a heading of a page, a code block or a row of a table.
type piece struct {
	line  int
	level int    // of a heading; 0 for a block, -1 for a row
	text  string // of a block: its text with its language; of a row: what does not depend on the language
}

func (p piece) String() string {
	switch {
	case p.level > 0:
		return fmt.Sprintf("line %d: heading %s %s", p.line, strings.Repeat("#", p.level), p.text)
	case p.level < 0:
		return fmt.Sprintf("line %d: row of %s", p.line, p.text)
	}
	return fmt.Sprintf("line %d: block %q", p.line, p.text)
}

// outline returns the headings, code blocks and rows of tables of a page in order. A code block is
// fenced, or is indented by four spaces and follows an empty line. Comments, which the page does not
// show, are left out.
func outline(page string) (pieces []piece) {
	var fenced, indented, hidden bool
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		fence, code := strings.HasPrefix(line, "```"), strings.HasPrefix(line, "    ")
		code = code && (indented || i > 0 && lines[i-1] == "")
		switch {
		case hidden || !fenced && strings.HasPrefix(line, "<!--"):
			hidden = !strings.HasSuffix(line, "-->")
		case fence && !fenced:
			pieces, fenced = append(pieces, piece{line: i + 1, text: line[3:] + "\n"}), true
		case fence:
			fenced = false
		case fenced || code && indented:
			pieces[len(pieces)-1].text += line + "\n"
		case code:
			pieces = append(pieces, piece{line: i + 1, text: line + "\n"})
		case strings.HasPrefix(line, "|"):
			pieces = append(pieces, piece{line: i + 1, level: -1, text: row(line)})
		case level > 0 && level <= 6 && strings.HasPrefix(line[level:], " "):
			pieces = append(pieces, piece{line: i + 1, level: level, text: line[level+1:]})
		}
		indented = code && !fenced
	}
	return pieces
}

var (
	linkTarget = regexp.MustCompile(`\]\([^)]*\)`)
	number     = regexp.MustCompile(`\d([\d,.]*\d)?`)
)

// row describes a row of a table: its columns, the code in it, such as names of fields, and its numbers.
func row(line string) string {
	parts := codeSpan.FindAllString(line, -1)
	columns := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") - 1
	line = linkTarget.ReplaceAllString(codeSpan.ReplaceAllString(line, ""), "]")
	parts = append(parts, number.FindAllString(line, -1)...)
	slices.Sort(parts)
	return strings.Join(append([]string{fmt.Sprint(columns, " columns")}, slices.Compact(parts)...), " ")
}

// difference describes the first one between the outlines of an English and of a
// Chinese page. The texts of headings may differ.
func difference(english, chinese []piece) string {
	for i, want := range english {
		if i == len(chinese) {
			return fmt.Sprintf("the Chinese page ends before %v", want)
		}
		got := chinese[i]
		if want.level != got.level || want.level <= 0 && want.text != got.text {
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

func TestADifferenceOfTablesAndIndentedBlocksIsFound(t *testing.T) {
	const english = "| a | b |\n| --- | --- |\n| `x \\| y` | 5 c `z` |\n\nText:\n\n    SET a\n    SET b\n\n<!-- go\nvar a int\n-->\n"
	const head = "| 甲 | 乙 |\n| --- | --- |\n"
	for name, c := range map[string]struct{ chinese, want string }{
		"the same":       {head + "| `z` 丙 `x \\| y` | 5 `z` |\n\n文字：\n\n    SET a\n    SET b\n", ""},
		"row missing":    {head + "\n    SET a\n    SET b\n", "line 3: row of 2 columns 5 `x \\| y` `z`, in Chinese line 4: block \"    SET a\\n    SET b\\n\""},
		"column added":   {head + "| `x \\| y` | 丙 5 `z` | |\n", "line 3: row of 2 columns 5 `x \\| y` `z`, in Chinese line 3: row of 3 columns 5 `x \\| y` `z`"},
		"code missing":   {head + "| `x \\| y` | 丙 5 |\n", "line 3: row of 2 columns 5 `x \\| y` `z`, in Chinese line 3: row of 2 columns 5 `x \\| y`"},
		"number differs": {head + "| `x \\| y` | 丙 6 `z` |\n", "line 3: row of 2 columns 5 `x \\| y` `z`, in Chinese line 3: row of 2 columns 6 `x \\| y` `z`"},
		"line missing": {head + "| `x \\| y` | 丙 5 `z` |\n\n    SET a\n",
			`line 7: block "    SET a\n    SET b\n", in Chinese line 5: block "    SET a\n"`},
		"block missing": {head + "| `x \\| y` | 丙 5 `z` |\n", `the Chinese page ends before line 7: block "    SET a\n    SET b\n"`},
	} {
		if got := difference(outline(english), outline(c.chinese)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
