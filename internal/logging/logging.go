// Package logging makes the log of the binary: text for a person, JSON for a program, both
// safe to show on a terminal.
package logging

import (
	"bytes"
	"io"
	"log/slog"

	"github.com/lmittmann/tint"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// Formats are the formats of a log. auto is text on a terminal and JSON elsewhere.
var Formats = []string{"auto", "text", "json"}

// New returns a log to w in the format auto.
func New(w io.Writer, level slog.Level) *slog.Logger {
	return NewFormat(w, level, "auto")
}

// NewFormat returns a log to w in one of the Formats.
func NewFormat(w io.Writer, level slog.Level, format string) *slog.Logger {
	if format == "text" || format == "auto" && terminal.IsTerminal(w) {
		return newText(w, level, !terminal.IsTerminal(w) || !terminal.Coloured())
	}
	return slog.New(slog.NewJSONHandler(escapedJSON{w}, &slog.HandlerOptions{Level: level, ReplaceAttr: milliseconds}))
}

// escapedJSON escapes the characters that do not print and that the JSON handler leaves
// as they are.
type escapedJSON struct{ io.Writer }

func (w escapedJSON) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, terminal.EscapeJSON(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// milliseconds writes durations in milliseconds, with "_ms" after the name.
func milliseconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Int64(a.Key+"_ms", a.Value.Duration().Milliseconds())
	}
	return a
}

// newText returns a log for a person, with colours unless plain is true. Texts and
// values with characters that do not print are quoted.
func newText(w io.Writer, level slog.Level, plain bool) *slog.Logger {
	return slog.New(tint.NewTextHandler(withoutDelete{w}, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: plain}))
}

// withoutDelete escapes DEL, the only control character that the text handler leaves as
// it is.
type withoutDelete struct{ io.Writer }

func (w withoutDelete) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(p, []byte{0x7f}, []byte(`\x7f`))); err != nil {
		return 0, err
	}
	return len(p), nil
}
