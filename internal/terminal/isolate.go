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

// Isolated isolates text with right-to-left letters: on a terminal it would change the
// order of what else is on its line.
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

// WithoutIsolates takes off what isolated added to arguments that were copied from a
// terminal.
func WithoutIsolates(args []string) []string {
	plain := make([]string, len(args))
	for i, a := range args {
		plain[i] = strings.TrimSuffix(strings.TrimPrefix(a, isolateStart), isolateEnd)
	}
	return plain
}
