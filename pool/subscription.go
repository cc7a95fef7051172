package pool

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

const (
	firstReadBatch = 10  // events per read, until it is known how long fn takes
	maxReadBatch   = 100 // upper bound

	ackInterval = time.Second // between acknowledgements while a batch is delivered; at most a quarter of Redeliver
	ackDeadline = 5 * time.Second
	lagEvery    = time.Minute // between reads of the lag
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
	failures int     // consecutive failures of fn
	lagRead  time.Time
	lagging  bool
}

func (p *Pool) subscription(group string, fn func(context.Context, Event) error) *subscription {
	log := p.log.With("group", group)
	return &subscription{
		store: p.store, log: log, out: outage{log: log, what: "read events of a group"},
		group: group, consumer: rand.Text(), fn: fn,
		redeliver: p.cfg.Redeliver, onTrimmed: p.cfg.OnTrimmed,
		batch: firstReadBatch, lagRead: time.Now(),
	}
}

// open creates the group if it is new: from here on the group gets every event.
func (s *subscription) open(ctx context.Context) error {
	return s.read(ctx, time.Millisecond)
}

// run delivers events until ctx ends (nil) or reading fails for good.
func (s *subscription) run(ctx context.Context) error {
	defer s.leave(ctx)
	for {
		s.deliver(ctx)
		if ended(ctx) != nil {
			return nil
		}
		s.watchLag(ctx)
		if err := s.read(ctx, min(eventWait, s.redeliver)); err == nil {
			s.out.recovered()
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

// deliver calls fn for the events that were read. An entry of the stream is
// acknowledged once fn has accepted all its events. If fn fails for one of them, the
// others are delivered nevertheless, so that they are not delayed; the whole entry is
// redelivered.
func (s *subscription) deliver(ctx context.Context) {
	events := s.events
	s.events = nil
	began := time.Now()
	lastAck := began
	var done []string // accepted entries that are not yet acknowledged
	taken := true     // fn accepted all events of this entry so far
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
		if time.Since(lastAck) >= min(ackInterval, s.redeliver/4) {
			s.ack(ctx, done)
			s.hold(ctx, events[i+1:])
			done, lastAck = nil, time.Now()
		}
	}
	s.ack(ctx, done)
	if len(events) > 0 {
		// While a batch takes long, other consumers cannot get its last events.
		each := max(time.Since(began)/time.Duration(len(events)), 1)
		s.batch = int(min(max(s.redeliver/4/each, 1), maxReadBatch))
	}
}

// take calls fn for an event. It reports whether the event is done: accepted or
// skipped.
func (s *subscription) take(ctx context.Context, e Event) bool {
	if e.Trigger != "" {
		return true // about no task
	}
	if e.ID == "" {
		s.log.Warn("skipped an entry of the event stream that names no task", "event", e.Cursor, "err", e.Broken)
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

// failed logs an event for which fn failed, and waits: longer with each consecutive
// failure.
func (s *subscription) failed(ctx context.Context, e Event, err error) {
	if ended(ctx) != nil {
		return // fn returned because its context has ended
	}
	s.failures++
	s.log.Error("handling of an event failed; the event is delivered again, with the others of its entry", "after", s.redeliver,
		"event", e.Cursor, "id", e.ID, "kind", e.Kind, "state", e.State, "err", err)
	_ = backoff.Sleep(ctx, backoff.Delay(s.failures))
}

// hold keeps other consumers from getting events that this one has yet to deliver.
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

// ack acknowledges entries, also after the end of ctx.
func (s *subscription) ack(ctx context.Context, cursors []string) {
	for len(cursors) > 0 {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackDeadline)
		err := s.store.AckEvents(call, s.group, cursors...)
		cancel()
		if err == nil {
			s.out.recovered()
			return
		}
		if s.out.pause(ctx, err) != nil {
			return // the entries are delivered again
		}
	}
}

// watchLag logs a warning each time the group falls far behind.
func (s *subscription) watchLag(ctx context.Context) {
	if time.Since(s.lagRead) < lagEvery {
		return
	}
	s.lagRead = time.Now()
	lag, err := lagOf(ctx, s.store, s.group)
	if err != nil {
		return // the next read reports an outage
	}
	far := lag.Unread >= max(lag.MaxEvents/2, 1)
	if far && !s.lagging {
		s.log.Warn("the group is far behind; events beyond MaxEvents and EventAge are trimmed unread",
			"unread", lag.Unread, "unacknowledged", lag.Pending, "kept", lag.MaxEvents)
	}
	s.lagging = far
}

// leave removes the consumer from its group, unless it still holds entries: they are
// redelivered from its name.
func (s *subscription) leave(ctx context.Context) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackDeadline)
	defer cancel()
	if err := s.store.LeaveSubscription(call, s.group, s.consumer); err != nil {
		s.log.Debug("the consumer could not be removed from its group", "err", err)
	}
}
