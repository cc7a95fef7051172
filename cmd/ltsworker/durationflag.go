package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// durationFlag is a duration on the command line. Its word, if it has one, means task.Forever.
type durationFlag struct {
	value time.Duration
	set   bool
	word  string // "none", "forever"; "" for none
}

func (f *durationFlag) Set(s string) error {
	if f.word != "" && s == f.word {
		f.value, f.set = task.Forever, true
		return nil
	}
	d, err := timespan.Parse(s)
	if err != nil {
		if f.word != "" {
			return fmt.Errorf("%w, or %s", err, f.word)
		}
		return err
	}
	f.value, f.set = d, true
	return nil
}

func (f *durationFlag) String() string {
	if !f.set {
		return ""
	}
	return terminal.Duration(f.value)
}

func (f *durationFlag) Type() string { return "duration" }

// bound returns a context that ends after the duration with the cause errWaitedLongEnough. If the
// flag is not set it returns ctx.
func (f *durationFlag) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if !f.set {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, f.value, errWaitedLongEnough)
}

// errWaitedLongEnough is the context's cause when a wait ends by its --timeout.
var errWaitedLongEnough = errors.New("the time to wait has passed")

// timeFlag is an instant on the command line.
type timeFlag struct{ value time.Time }

func (f *timeFlag) Set(s string) error {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errors.New("must be a time like 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+02:00")
	}
	f.value = t
	return nil
}

func (f *timeFlag) String() string {
	if f.value.IsZero() {
		return ""
	}
	return f.value.Format(time.RFC3339)
}

func (f *timeFlag) Type() string { return "time" }
