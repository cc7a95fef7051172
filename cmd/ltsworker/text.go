package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/text/unicode/bidi"
)

// printable returns s as it may be shown on a terminal: anything that a terminal
// could take for a command, and all but plain spaces, makes it quoted. Names,
// errors and results come from whoever could enqueue.
func printable(s string) string {
	if visible(s) == s {
		return s
	}
	return strconv.Quote(s)
}

// quoted quotes s for a message and cuts it to a readable length.
func quoted(s string) string {
	if len(s) > 80 {
		return strconv.Quote(strings.ToValidUTF8(s[:80], "")) + "…"
	}
	return strconv.Quote(s)
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellWord writes s as one word of a command line. What does not print is quoted
// for the eye only.
func shellWord(s string) string {
	switch {
	case plainWord.MatchString(s):
		return s
	case visible(s) != s:
		return strconv.Quote(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// visible escapes what does not print and leaves the rest as it is.
func visible(s string) string {
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

// The characters that isolate text whose direction is that of its first letter.
const (
	isolateStart = "\u2068"
	isolateEnd   = "\u2069"
)

// isolated isolates text with right-to-left letters: on a terminal it would change the
// order of what else is on its line.
func isolated(s string) string {
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

// withoutIsolates takes off what isolated added to arguments that were copied from a
// terminal.
func withoutIsolates(args []string) []string {
	plain := make([]string, len(args))
	for i, a := range args {
		plain[i] = strings.TrimSuffix(strings.TrimPrefix(a, isolateStart), isolateEnd)
	}
	return plain
}

// visibleLines is visible for text of several lines: line feeds and tabs stay.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		fields := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j, f := range fields {
			fields[j] = visible(f)
		}
		lines[i] = strings.Join(fields, "\t")
	}
	return strings.Join(lines, "\n")
}

// indented breaks text that begins in this column of a terminal between words, so
// that its other lines begin there too. Width 0 is no terminal, and too narrow a
// one is left to itself.
func indented(text string, column, width int) string {
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

// writeJSON writes v on one line. Strings in it are escaped such that the line
// is safe to look at on a terminal and means the same to a program.
func writeJSON(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	_, err := io.WriteString(w, escapeJSON(buf.String()))
	return err
}

// escapeJSON escapes the runes past ASCII that do not print. Outside of strings
// JSON has none.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r < 0x7f || r > 0x7f && unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// limitText says a limit, for which zero means none.
func limitText(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// instant is an exact time for programs: RFC 3339 in UTC with milliseconds, the
// precision of Redis.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// localTime is a time for a person.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// localTimeMS is localTime where many things happen in a second.
func localTimeMS(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// away says how long ago a time was, or how far ahead it is.
func away(t time.Time) string {
	if d := time.Until(t); d > 0 {
		return "in " + shortDuration(d)
	}
	return agoText(time.Since(t))
}

// count says n of something: "1 task", "3 tasks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
