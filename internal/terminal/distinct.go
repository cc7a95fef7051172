package terminal

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Distinct returns the texts so that they differ within width columns: a beginning that a
// text shares with another one and that fills the width is replaced with "…". Texts that
// fit, and equal texts, stay as they are.
func Distinct(texts []string, width int) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = text
		if ansi.StringWidth(text) <= width {
			continue
		}
		shared := 0
		for _, other := range texts {
			if strings.HasPrefix(other, text) {
				continue // equal, or text is the beginning of other: it is shown from its start
			}
			// The last column is that of the "…" of a cut text.
			if n := commonPrefix(text, other); n > shared && ansi.StringWidth(text[:n]) >= width-1 {
				shared = n
			}
		}
		if shared > 0 {
			out[i] = "…" + text[wordStart(text, shared, width):]
		}
	}
	return out
}

// commonPrefix returns the length of the common beginning of a and b, in whole runes.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return n
}

// wordStart returns where the word with the byte at begins. It returns at itself if that
// word begins more than half of width earlier.
func wordStart(text string, at, width int) int {
	start := strings.LastIndexByte(text[:at], ' ') + 1
	if ansi.StringWidth(text[start:at]) > width/2 {
		return at
	}
	return start
}
