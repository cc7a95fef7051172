package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// How events are read: in pages, waiting that long for the first of a page. An idle
// reader sends one command per wait.
const (
	eventPage = 1000
	eventWait = 5 * time.Second
)

// Events yields the changes of state of all tasks as they happen; every reader
// sees all. after is the Cursor to continue after, "" for new events only, "0" for the
// oldest that is left.
//
// The events of one entry of the stream have the same Cursor. A reader that stores its
// position stores the Cursor of an event whose More is false, after it has dealt with
// the event: with another one the rest of the entry is not read again.
//
// Everything in the stream is yielded. Entries that another program added or spoiled
// have Event.Broken set.
//
// A reader that falls behind the trimming of the stream gets a *TrimmedError instead of
// an event; the loop then goes on with the oldest event that is left. Outages of the
// store are waited for, and logged. Every other error is the last: what the store
// answers to the first call, and ErrSchema. The end of ctx ends the loop without an
// error.
func (p *Pool) Events(ctx context.Context, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := p.events(ctx, after, yield); err != nil && ended(ctx) == nil {
			yield(Event{}, fmt.Errorf("events: %w", err))
		}
	}
}

// events yields until ctx ends, the reader has enough (nil), or nothing more can
// be read.
func (p *Pool) events(ctx context.Context, after string, yield func(Event, error) bool) (err error) {
	if after == "" {
		if after, err = p.store.LastEvent(ctx); err != nil {
			return err
		}
	}
	out := outage{log: p.log, what: "read events"}
	for first := true; ctx.Err() == nil; {
		page, err := p.store.ReadEvents(ctx, after, eventPage, eventWait)
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
		out.over()
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
