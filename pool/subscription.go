package pool

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"
)

const (
	firstBatch = 10  // events read at once, until it is known how long they take
	mostBatch  = 100 // … and at most

	unstablePause = time.Second // or a quarter of Redeliver, while a batch is worked through
	ackDeadline   = 5 * time.Second
	lagEvery      = time.Minute // how often the lag is read
)

// subscription is one consumer of a Subscribe.
type subscription struct {
	store     Store
	log       *slog.Logger
	out       outage
	group     string
	consumer  string
	fn        func(context.Context, Event) error
	redeliver time.Duration
	onTrimmed func(string)

	events   []Event // read, not yet delivered
	batch    int     // how many to read next
	failures int     // of fn, in a row
	lagSeen  time.Time
	lagging  bool
}

func (p *Pool) subscription(group string, fn func(context.Context, Event) error) *subscription {
	log := p.log.With("group", group)
	return &subscription{
		store: p.store, log: log, out: outage{log: log, what: "read events of a group"},
		group: group, consumer: rand.Text(), fn: fn,
		redeliver: p.cfg.Redeliver, onTrimmed: p.cfg.OnTrimmed,
		batch: firstBatch, lagSeen: time.Now(),
	}
}

// open makes a new group: from here on it gets every event.
func (s *subscription) open(ctx context.Context) error {
	return s.read(ctx, time.Millisecond)
}

// run delivers events until ctx ends (nil) or nothing more can be read.
func (s *subscription) run(ctx context.Context) error {
	defer s.leave(ctx)
	for {
		s.deliver(ctx)
		if ended(ctx) != nil {
			return nil
		}
		s.watchLag(ctx)
		if err := s.read(ctx, min(eventWait, s.redeliver)); err == nil {
			s.out.over()
		} else if err := s.out.pause(ctx, err); err != nil && ended(ctx) == nil {
			return err
		}
	}
}

func (s *subscription) read(ctx context.Context, wait time.Duration) error {
	events, trimmed, err := s.store.ReadSubscription(ctx, s.group, s.consumer, s.batch, s.redeliver, wait)
	if err != nil {
		return err
	}
	s.events = events
	if trimmed {
		s.log.Error("events were trimmed before the group read them")
		if s.onTrimmed != nil {
			s.onTrimmed(s.group)
		}
	}
	return nil
}

// deliver works through the events that were read. An entry of the stream is
// acknowledged once fn has taken all its events. Of one with a failed event the others
// are delivered too, so that they do not wait for it; the whole entry comes again.
func (s *subscription) deliver(ctx context.Context) {
	events := s.events
	s.events = nil
	began := time.Now()
	settled := began
	var done []string // entries that were taken and are not acknowledged
	taken := true     // all events of this entry so far
	for i, e := range events {
		if ctx.Err() != nil {
			break
		}
		taken = s.take(ctx, e) && taken
		if rest := events[i+1:]; len(rest) == 0 || rest[0].Cursor != e.Cursor {
			if taken {
				done = append(done, e.Cursor)
			}
			taken = true
		}
		if time.Since(settled) >= min(unstablePause, s.redeliver/4) {
			s.ack(ctx, done)
			s.hold(ctx, events[i+1:])
			done, settled = nil, time.Now()
		}
	}
	s.ack(ctx, done)
	if len(events) > 0 {
		// A batch that takes long keeps its last events from other consumers.
		each := max(time.Since(began)/time.Duration(len(events)), 1)
		s.batch = int(min(max(s.redeliver/4/each, 1), mostBatch))
	}
}

// take calls fn for an event and reports whether the event needs no other call.
func (s *subscription) take(ctx context.Context, e Event) bool {
	if e.ID == "" {
		s.log.Warn("an entry of the event stream names no task and is skipped", "event", e.Cursor, "err", e.Broken)
	} else if err := s.call(ctx, e); err != nil {
		s.failed(ctx, e, err)
		return false
	}
	s.failures = 0
	return true
}

func (s *subscription) call(ctx context.Context, e Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.fn(ctx, e)
}

// failed logs an event for which fn failed, and waits a moment, longer with each
// failure in a row.
func (s *subscription) failed(ctx context.Context, e Event, err error) {
	if ended(ctx) != nil {
		return // fn was asked to stop, and did
	}
	s.failures++
	s.log.Error("event was not taken and will be delivered again with the others of its entry", "after", s.redeliver,
		"event", e.Cursor, "id", e.ID, "kind", e.Kind, "state", e.State, "err", err)
	_ = sleep(ctx, spacing(s.failures))
}

// hold keeps events that are still to be delivered from other consumers.
func (s *subscription) hold(ctx context.Context, events []Event) {
	if len(events) == 0 {
		return
	}
	var cursors []string
	for _, e := range events {
		cursors = append(cursors, e.Cursor)
	}
	call, cancel := context.WithTimeout(ctx, ackDeadline)
	defer cancel()
	if err := s.store.HoldEvents(call, s.group, s.consumer, slices.Compact(cursors)...); err != nil {
		s.log.Debug("events may also be delivered to another consumer", "err", err)
	}
}

// ack acknowledges entries, also past the end of ctx: they were taken.
func (s *subscription) ack(ctx context.Context, cursors []string) {
	for len(cursors) > 0 {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackDeadline)
		err := s.store.AckEvents(call, s.group, cursors...)
		cancel()
		if err == nil {
			s.out.over()
			return
		}
		if s.out.pause(ctx, err) != nil {
			return // they are delivered again
		}
	}
}

// watchLag warns once each time the group falls far behind.
func (s *subscription) watchLag(ctx context.Context) {
	if time.Since(s.lagSeen) < lagEvery {
		return
	}
	s.lagSeen = time.Now()
	lag, err := s.store.SubscriptionLag(ctx, s.group)
	if err != nil {
		return // reading will show it
	}
	far := lag.Unread >= max(lag.MaxEvents/2, 1)
	if far && !s.lagging {
		s.log.Warn("the group is far behind; events beyond MaxEvents and EventAge are trimmed unread",
			"unread", lag.Unread, "unacknowledged", lag.Pending, "kept", lag.MaxEvents)
	}
	s.lagging = far
}

// leave takes the consumer off its group, unless it still holds events: those
// are found under its name.
func (s *subscription) leave(ctx context.Context) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackDeadline)
	defer cancel()
	if err := s.store.LeaveSubscription(call, s.group, s.consumer); err != nil {
		s.log.Debug("consumer did not leave its group", "err", err)
	}
}
