package terminal

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
)

func TestTextsWithACommonBeginningDifferInANarrowColumn(t *testing.T) {
	const start = "command ended with exit status 1: cannot connect to the database "
	for name, c := range map[string]struct {
		width       int
		texts, want []string
	}{
		"texts that fit":       {80, []string{start + "a", start + "b"}, []string{start + "a", start + "b"}},
		"two hosts":            {30, []string{start + "db1: refused", start + "db2: timeout"}, []string{"…db1: refused", "…db2: timeout"}},
		"other beginnings":     {30, []string{start + "db1", "out of memory"}, []string{start + "db1", "out of memory"}},
		"equal texts":          {30, []string{start, start}, []string{start, start}},
		"one is the beginning": {30, []string{start + "db1", start}, []string{"…db1", start}},
		"a long word":          {10, []string{"aaaaaaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaaaaa2"}, []string{"…1", "…2"}},
		"wide characters":      {10, []string{"数据库连接失败: 超时", "数据库连接失败: 拒绝"}, []string{"…超时", "…拒绝"}},
		"three":                {30, []string{start + "db1: refused", start + "db1: reset", "cannot"}, []string{"…refused", "…reset", "cannot"}},
		"a cut at the end":     {12, []string{"0123456789 abc", "0123456789 xyz"}, []string{"…abc", "…xyz"}},
	} {
		got := Distinct(c.texts, c.width)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for i := range got {
			for j := range got[:i] {
				if c.texts[i] != c.texts[j] && ansi.Truncate(got[i], c.width, "…") == ansi.Truncate(got[j], c.width, "…") {
					t.Errorf("%s: %q and %q look the same", name, got[i], got[j])
				}
			}
		}
	}
}
