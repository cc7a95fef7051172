package task

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// The sizes of an attempt's log. A task keeps the logs of the attempts in its history,
// at most MaxHistory.
const (
	MaxLogLen     = 32 << 10 // most bytes that a replica may keep of the end of a log
	DefaultLogLen = 8 << 10  // bytes that it keeps by default
	NoLog         = -1       // in a config: keep no log
)

// Logf appends a line to the attempt's log: see LogWriter. Arguments are handled as by
// fmt.Sprintf. The newline at the end is added if it is missing.
func (t *Task) Logf(format string, args ...any) {
	line := fmt.Appendf(nil, format, args...)
	if len(line) == 0 || line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	t.writeLog(line)
}

// LogWriter returns a writer that appends to the attempt's log. The log is text; bytes
// that are not UTF-8 are replaced. The replica keeps its end: DefaultLogLen bytes unless
// its config says otherwise. While the attempt runs, Task.Log of a task that is read has
// the log, at most about a second old: it is sent with a renewal of leases, at most once
// a second and only if it has changed. When the attempt ends, however it ends, the log
// goes into the task's history. A write calls no store and returns no error. The writer
// is safe for concurrent use.
//
// On a task that no replica runs, such as one made for a test of a handler, it appends to
// Log. Read that field only after the writes have returned.
func (t *Task) LogWriter() io.Writer { return logWriter{t} }

type logWriter struct{ t *Task }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.writeLog(p)
	return len(p), nil
}

// LogHandler returns a handler for slog.New that appends to the attempt's log as text,
// one line per record: see LogWriter. opts may be nil.
func (t *Task) LogHandler(opts *slog.HandlerOptions) slog.Handler {
	return slog.NewTextHandler(t.LogWriter(), opts)
}

// SetLog replaces the attempt's log: see LogWriter. It is for a handler that has its own
// buffer.
func (t *Task) SetLog(b []byte) {
	if t.running != nil {
		t.running.SetLog(b)
		return
	}
	unheld.Lock()
	t.Log = ""
	unheld.Unlock()
	t.writeLog(b)
}

// LimitLog keeps at most n bytes of the end of the attempt's log from now on. It keeps
// none if n is 0 or NoLog. It cannot raise the limit of the replica.
func (t *Task) LimitLog(n int) {
	if t.running != nil {
		t.running.LimitLog(n)
		return
	}
	unheld.Lock()
	t.logLimit = max(n, NoLog)
	if n == 0 {
		t.logLimit = NoLog
	}
	unheld.Unlock()
	t.writeLog(nil)
}

func (t *Task) writeLog(p []byte) {
	if t.running != nil {
		t.running.WriteLog(p)
		return
	}
	unheld.Lock()
	defer unheld.Unlock()
	limit := t.logLimit
	if limit == 0 {
		limit = DefaultLogLen
	}
	t.Log = CutLog(t.Log+string(p), limit)
}

// CutLog returns the last n bytes of a log as valid UTF-8, beginning with a whole
// character; "" if n is not positive.
func CutLog(s string, n int) string {
	if n <= 0 {
		return ""
	}
	start := max(0, len(s)-n)
	for start > 0 && start < len(s) && !utf8.RuneStart(s[start]) {
		start++
	}
	s = strings.ToValidUTF8(s[start:], "\uFFFD")
	if len(s) > n { // the replacement character is longer than the bytes it replaces
		return CutLog(s, n)
	}
	return s
}
