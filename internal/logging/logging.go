package logging

import (
	"bytes"
	"io"
	"log/slog"

	"github.com/lmittmann/tint"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// Formats are the forms that a log can have. auto is text on a terminal and
// JSON elsewhere.
var Formats = []string{"auto", "text", "json"}

// New logs for a person where w is a terminal, as JSON where it is not.
func New(w io.Writer, level slog.Level) *slog.Logger {
	return NewFormat(w, level, "auto")
}

// NewFormat logs in one of the logFormats.
func NewFormat(w io.Writer, level slog.Level, format string) *slog.Logger {
	if format == "text" || format == "auto" && terminal.IsTerminal(w) {
		return newText(w, level, !terminal.IsTerminal(w) || !terminal.Coloured())
	}
	return slog.New(slog.NewJSONHandler(escapedJSON{w}, &slog.HandlerOptions{Level: level, ReplaceAttr: milliseconds}))
}

// escapedJSON escapes in JSON what a terminal could take for a command and the handler
// lets through.
type escapedJSON struct{ io.Writer }

func (w escapedJSON) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, terminal.EscapeJSON(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// milliseconds is how JSON here tells durations, with the unit in the name.
func milliseconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Int64(a.Key+"_ms", a.Value.Duration().Milliseconds())
	}
	return a
}

// newText logs in colours, unless plain. Texts and values that a terminal
// could take for a command are quoted.
func newText(w io.Writer, level slog.Level, plain bool) *slog.Logger {
	return slog.New(tint.NewTextHandler(withoutDelete{w}, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: plain}))
}

// withoutDelete escapes the one control character that the handler lets through.
type withoutDelete struct{ io.Writer }

func (w withoutDelete) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(p, []byte{0x7f}, []byte(`\x7f`))); err != nil {
		return 0, err
	}
	return len(p), nil
}
