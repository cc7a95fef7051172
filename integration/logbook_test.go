package integration

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// logbook keeps the log records of a pool.
type logbook struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func newLogbook() *logbook { return &logbook{Handler: slog.NewTextHandler(io.Discard, nil)} }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logbook) logger() *slog.Logger { return slog.New(l) }

// about returns the lines that contain the text, all of them for "".
func (l *logbook) about(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// The log lines of an outage: its beginning, what an operator can do about it,
// and its end.
const (
	failing = "calls to the store fail"
	reason  = "calls to the store still fail, for another reason"
	working = "the store works again"
)
