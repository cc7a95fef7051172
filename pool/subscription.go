package pool

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

const (
	firstBatch = 10  // events read at once, until it is known how long they take
	mostBatch  = 100 // … and at most

	ackEvery    = time.Second // while a batch is worked through
	ackDeadline = 5 * time.Second
	lagEvery    = time.Minute // how often the lag is looked at
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

// open makes the group where it is new: from here on no event passes it by.
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

// deliver works through the events that were read and acknowledges those that fn
// took.
func (s *subscription) deliver(ctx context.Context) {
	events := s.events
	s.events = nil
	began := time.Now()
	acked := began
	var done []string
	for _, e := range events {
		if ctx.Err() != nil {
			break
		}
		if e.ID == "" {
			s.log.Warn("an entry of the event stream names no task and is passed over", "event", e.Cursor, "err", e.Broken)
		} else if err := s.call(ctx, e); err != nil {
			s.failed(ctx, e, err)
			continue
		}
		s.failures = 0
		done = append(done, e.Cursor)
		if time.Since(acked) >= ackEvery {
			s.ack(ctx, done)
			done, acked = nil, time.Now()
		}
	}
	s.ack(ctx, done)
	if len(events) > 0 {
		// No more than can be worked through long before another consumer takes
		// them for abandoned.
		each := max(time.Since(began)/time.Duration(len(events)), 1)
		s.batch = int(min(max(s.redeliver/4/each, 1), mostBatch))
	}
}

func (s *subscription) call(ctx context.Context, e Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return s.fn(ctx, e)
}

// failed logs an event that fn did not take, and slows down a consumer that
// takes none.
func (s *subscription) failed(ctx context.Context, e Event, err error) {
	if ended(ctx) != nil {
		return // it was told to stop, and did
	}
	s.failures++
	s.log.Error("event was not taken and will be delivered again", "after", s.redeliver,
		"event", e.Cursor, "id", e.ID, "kind", e.Kind, "state", e.State, "err", err)
	_ = sleep(ctx, spacing(s.failures))
}

// ack acknowledges events, also past the end of ctx: they were taken.
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
