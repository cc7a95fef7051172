package terminal

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// The characters that isolate text whose direction is that of its first letter.
const (
	isolateStart = "\u2068"
	isolateEnd   = "\u2069"
)

// Isolated isolates text with right-to-left letters. Without that it would change the
// order of the other text on its line of a terminal.
func Isolated(s string) string {
	for i, r := range s {
		if r < utf8.RuneSelf {
			continue
		}
		if p, _ := bidi.LookupString(s[i:]); p.Class() == bidi.R || p.Class() == bidi.AL {
			return isolateStart + s + isolateEnd
		}
	}
	return s
}

// WithoutIsolates removes what Isolated added from arguments that were copied from a
// terminal.
func WithoutIsolates(args []string) []string {
	plain := make([]string, len(args))
	for i, a := range args {
		plain[i] = strings.TrimSuffix(strings.TrimPrefix(a, isolateStart), isolateEnd)
	}
	return plain
}
