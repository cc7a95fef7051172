package terminal

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Printable returns s as it may be shown on a terminal. If a character of s does not
// print, such as a control character or a space other than " ", s is quoted. Use it for
// names, errors and results, which other programs write.
func Printable(s string) string {
	if Visible(s) == s {
		return s
	}
	return strconv.Quote(s)
}

// Quoted quotes s for a message. It is cut after 80 bytes.
func Quoted(s string) string {
	if len(s) > 80 {
		return strconv.Quote(strings.ToValidUTF8(s[:80], "")) + "…"
	}
	return strconv.Quote(s)
}

// plainWord matches a word that a shell takes without quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// ShellWord returns s as one word of a command line. If s holds a character that does not
// print, the result is readable but no shell takes it.
func ShellWord(s string) string {
	switch {
	case plainWord.MatchString(s):
		return s
	case Visible(s) != s:
		return strconv.Quote(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Visible escapes the characters that do not print, as strconv.Quote does.
func Visible(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b.WriteRune(r)
		} else {
			q := strconv.Quote(s[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// VisibleLines is Visible for text of several lines: line feeds and tabs stay, and a
// carriage return before a line feed is removed.
func VisibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		fields := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j, f := range fields {
			fields[j] = Visible(f)
		}
		lines[i] = strings.Join(fields, "\t")
	}
	return strings.Join(lines, "\n")
}

// Indented breaks text between words, so that it fits a terminal of that width. The text
// begins in the given column, and so do its other lines. If fewer than 20 columns are
// left, or width is 0, text is returned as it is.
func Indented(text string, column, width int) string {
	room := width - column
	if room < 20 {
		return text
	}
	var b strings.Builder
	at := 0
	for i, word := range strings.Split(text, " ") {
		n := ansi.StringWidth(word)
		switch {
		case i == 0:
		case at+1+n > room:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = 0
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// Count returns n and the noun, in the plural if n is not 1: "1 task", "3 tasks".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Cut returns the first n runes of s, with "…" if there are more.
func Cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
