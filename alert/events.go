package alert

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// eventPage is how many events one call reads.
const eventPage = 1000

// progress is how far the events are counted.
type progress struct {
	cursor string // after the last event that is counted; "" before the first round
	// behind is the age of the oldest event that is not counted: 0 for none.
	behind time.Duration
	gap    bool // events were trimmed from the stream before they were counted
}

// readEvents counts the events after the cursor, up to the newest one of now, for at most the time
// limit. The others follow in the next round. It skips events that are older than all windows.
func readEvents(ctx context.Context, store Store, after string, w *windows, now time.Time, limit time.Duration) (p progress, err error) {
	last, err := store.LastEvent(ctx)
	if err != nil || after == "" {
		if err != nil {
			last = after
		}
		return progress{cursor: last}, err
	}
	if at, ok := cursorTime(after); ok && now.Sub(at) > w.longest() {
		after = strconv.FormatInt(now.Add(-w.longest()).UnixMilli(), 10) + "-0"
	}
	return countEvents(ctx, store, after, last, w, now, limit)
}

// seed counts the events of fresh windows that are before the cursor of the others, as far as the
// stream has them.
func (r *Runner) seed(ctx context.Context, s *state, now time.Time) error {
	if s.fresh == nil {
		return nil
	}
	from := now.Add(-s.fresh.longest())
	if at, ok := cursorTime(s.cursor); ok && from.Before(at) {
		for _, window := range s.fresh.all { // a part of them may have been counted before an error
			clear(window.buckets)
			clear(window.changed)
		}
		p, err := countEvents(ctx, r.store, strconv.FormatInt(from.UnixMilli(), 10)+"-0", s.cursor, s.fresh, now, previewTime)
		if err != nil {
			return err
		}
		if p.cursor != s.cursor && p.behind > 0 && !p.gap {
			r.log.Warn("too many events for the window of a new alert rule: the newest of them are not counted", "behind", p.behind)
		}
	}
	s.fresh = nil
	return nil
}

// countEvents counts the events after a cursor, up to the one at last.
func countEvents(ctx context.Context, store Store, after, last string, w *windows, now time.Time, limit time.Duration) (p progress, err error) {
	begin := time.Now()
	p.cursor = after
	end, known := cursorTime(last)
	// Events that are newer than last are for the next round.
	for p.cursor != last {
		if time.Since(begin) >= limit {
			if at, ok := cursorTime(p.cursor); ok {
				p.behind = max(p.behind, now.Sub(at))
			}
			break
		}
		// A page may have fewer events than the limit although more follow. The end is an empty one.
		events, err := store.ReadEvents(ctx, p.cursor, eventPage, 0)
		if trimmed := (*task.TrimmedError)(nil); errors.As(err, &trimmed) {
			if at, ok := cursorTime(p.cursor); ok {
				p.behind = now.Sub(at)
			}
			p.cursor, p.gap = trimmed.Next, true
			continue
		}
		if err != nil {
			return p, err // the events up to the cursor are counted
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			// An entry of the stream may have several events, and the last one may have been trimmed.
			if at, ok := cursorTime(e.Cursor); p.cursor == last && e.Cursor != last || known && ok && at.After(end) {
				return p, nil
			}
			w.count(e)
			p.cursor = e.Cursor
		}
	}
	return p, nil
}

// cursorTime returns the time of a position in the stream.
func cursorTime(cursor string) (time.Time, bool) {
	ms, _, found := strings.Cut(cursor, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n), found && err == nil
}
