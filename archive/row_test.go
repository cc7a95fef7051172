package archive

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// An index of PostgreSQL takes only so many bytes. Characters that are replaced are longer
// than before.
func TestNamesAreBoundedAfterTheirCharactersWereReplaced(t *testing.T) {
	for _, s := range []string{"plain", strings.Repeat("n", maxName), strings.Repeat("é", maxName), strings.Repeat("\x00", maxName),
		strings.Repeat("a\xff", maxName), strings.Repeat("\xff", 2*maxName)} {
		got := name(s)
		if len(got) > maxName || !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Errorf("%d bytes became %d: %.20q", len(s), len(got), got)
		}
	}
	if got := name(strings.Repeat("n", maxName+1)); len(got) != maxName || !strings.HasSuffix(got, "…") {
		t.Errorf("a name that is too long became %q", got)
	}
}
