package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// plainLog is the log of a command that runs no tasks: lines for the user. Of an outage of Redis it
// prints only the first error. It is safe for concurrent use if w is.
type plainLog struct {
	w      io.Writer
	attrs  []slog.Attr
	failed *atomic.Int64 // calls that are tried again
}

func newPlainLog(w io.Writer) *slog.Logger {
	return slog.New(plainLog{w: w, failed: new(atomic.Int64)})
}

func (h plainLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (h plainLog) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs[:len(attrs):len(attrs)], a)
		return true
	})
	text, call, cause := r.Message, false, ""
	for _, a := range attrs {
		switch a.Key {
		case "call": // of the log of an outage
			call = true
		case "err":
			cause = a.Value.String()
		}
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	switch {
	case call && r.Level < slog.LevelError: // the calls work again
		h.failed.Add(-1)
		return nil
	case call && h.failed.Add(1) > 1:
		return nil
	case call:
		text = terminal.TidyError(cause) + "; trying again"
	}
	_, err := fmt.Fprintf(h.w, "ltsworker: %s\n", terminal.Visible(text))
	return err
}

func (h plainLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return h
}

// WithGroup ignores the group: the lines name no groups.
func (h plainLog) WithGroup(string) slog.Handler { return h }
