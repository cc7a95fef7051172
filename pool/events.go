package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Events are read in pages of eventPage. A read waits up to eventWait for the first event,
// so an idle reader sends one command per eventWait.
const (
	eventPage = 1000
	eventWait = 5 * time.Second
)

// Events yields the changes of state of all tasks as they happen. Every reader gets all
// of them. after is the Cursor to continue after: "" for new events only, "0" for the
// oldest event that is left.
//
// The events of one entry of the stream have the same Cursor. A reader that stores its
// position must store the Cursor of an event whose More is false, after it has processed
// that event. Otherwise it misses the rest of the entry when it continues.
//
// Every entry of the stream is yielded, also those about triggers: see Event.Trigger. Entries that another program added or damaged
// have Event.Broken set.
//
// If events were trimmed before the reader read them, a *TrimmedError is yielded
// instead of an event; the loop then continues with the oldest event that is left.
// During outages of the store Events waits and logs. Every other error is the last
// value: an error of the first call, or ErrSchema. When ctx ends, the loop ends without
// an error.
func (p *Pool) Events(ctx context.Context, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := p.events(ctx, after, yield); err != nil && ended(ctx) == nil {
			yield(Event{}, fmt.Errorf("events: %w", err))
		}
	}
}

// events yields until ctx ends, yield returns false (nil), or reading fails for good.
func (p *Pool) events(ctx context.Context, after string, yield func(Event, error) bool) (err error) {
	if after == "" {
		if after, err = p.store.LastEvent(ctx); err != nil {
			return err
		}
	}
	out := outage{log: p.log, what: "read events"}
	for first := true; ctx.Err() == nil; {
		wait := eventWait
		if first {
			wait = 0 // an error that comes while the reader waits is an outage
		}
		page, err := p.store.ReadEvents(ctx, after, eventPage, wait)
		var trimmed *TrimmedError
		switch {
		case errors.As(err, &trimmed):
			after = trimmed.Next
			if !yield(Event{}, trimmed) {
				return nil
			}
		case err != nil && first:
			return err
		case err != nil:
			if err := out.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		first = false
		out.recovered()
		for i, e := range page {
			after = e.Cursor
			e.More = i+1 < len(page) && page[i+1].Cursor == e.Cursor
			if !yield(e, nil) {
				return nil
			}
		}
	}
	return nil
}
