package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// ReadSubscription reads events for one consumer of a subscription, which is a
// consumer group of the stream: those that any consumer, this one too, has held for
// longer than idle, or else new ones. trimmed says that events were trimmed away
// before any consumer could read them.
func (s *Store) ReadSubscription(ctx context.Context, name, consumer string, limit int, idle, wait time.Duration) ([]worker.Event, bool, error) {
	if err := s.checkName(); err != nil {
		return nil, false, err
	}
	l, err := s.takeOver(ctx, name, consumer, limit, idle)
	if isNoGroup(err) {
		if err := s.createGroup(ctx, name); err != nil {
			return nil, false, s.fail(ctx, "create consumer group", err)
		}
		l, err = s.takeOver(ctx, name, consumer, limit, idle)
	}
	if err == nil && len(l.messages) == 0 {
		err = s.readNew(ctx, name, consumer, limit, wait, &l)
	}
	trimmed := false
	if err == nil {
		trimmed, err = s.tell(name, l)
	}
	if err != nil {
		s.owe(name, l)
		return nil, false, s.fail(ctx, "read subscription", err)
	}
	return decodeEvents(l.messages), trimmed, nil
}

// look is what one call found of a subscription.
type look struct {
	messages []redis.XMessage
	lost     bool   // entries that somebody held are gone
	position string // how far the consumer group had read before
	trimmed  string // up to where entries are gone, "" for none
}

// takeOverPages bounds how much of what is held one call looks through; a
// page is up to ten times as many entries as are asked for.
const takeOverPages = 10

// takeOver claims entries that somebody has held for too long, going on where the
// last call ended: many that are not due must not hide those behind them.
func (s *Store) takeOver(ctx context.Context, name, consumer string, limit int, idle time.Duration) (look, error) {
	s.mu.Lock()
	sub := s.subscription(name)
	l := look{lost: sub.lost, position: sub.position}
	from := sub.from
	s.mu.Unlock()
	whole := from == "0-0"
	for range takeOverPages {
		p := s.rdb.Pipeline()
		claim := p.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
			Stream: s.key("events"), Group: name, Consumer: consumer, MinIdle: idle, Start: from, Count: int64(limit),
		})
		groups := p.XInfoGroups(ctx, s.key("events"))
		trimmed := p.HGet(ctx, s.key("meta"), "events:trimmed")
		if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return l, err
		}
		messages, next, dead, err := claim.Result()
		if err != nil {
			return l, err
		}
		l.messages, l.lost, l.trimmed = messages, l.lost || len(dead) > 0, trimmed.Val()
		for _, g := range groups.Val() {
			if g.Name == name && l.position == "" {
				l.position = g.LastDeliveredID
			}
		}
		from = next
		if len(messages) > 0 || from == "0-0" && whole {
			break
		}
		whole = whole || from == "0-0" // the end was reached; once more from the beginning
	}
	s.mu.Lock()
	sub.from = from
	s.mu.Unlock()
	return l, nil
}

// readNew reads entries that no consumer has seen, and waits up to wait for the
// first unless there is something to tell.
func (s *Store) readNew(ctx context.Context, name, consumer string, limit int, wait time.Duration, l *look) error {
	missed, err := s.missed(name, *l)
	if err != nil {
		return err
	}
	if missed || l.lost || wait < time.Millisecond {
		wait = -1 // do not block: a zero would block for ever
	}
	var streams []redis.XStream
	err = s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: name, Consumer: consumer, Streams: []string{s.key("events"), ">"}, Count: int64(limit), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if len(streams) > 0 {
		l.messages = streams[0].Messages
	}
	// Looked at after reading, which moved the consumer group past whatever was trimmed
	// before: no later call would find that out.
	l.trimmed, err = s.rdb.HGet(ctx, s.key("meta"), "events:trimmed").Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return err
}

func isNoGroup(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOGROUP") }

// createGroup makes the consumer group at the end of the stream; somebody else may
// have just done so.
func (s *Store) createGroup(ctx context.Context, name string) error {
	err := s.rdb.XGroupCreateMkStream(ctx, s.key("events"), name, "$").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// AckEvents takes events off the list of those that a subscription's consumers hold.
func (s *Store) AckEvents(ctx context.Context, name string, cursors ...string) error {
	if len(cursors) == 0 {
		return nil
	}
	return s.fail(ctx, "acknowledge events", s.rdb.XAck(ctx, s.key("events"), name, cursors...).Err())
}

// LeaveSubscription takes a consumer that holds nothing off the list. One that still
// holds entries stays, so that others can take them over.
func (s *Store) LeaveSubscription(ctx context.Context, name, consumer string) error {
	held, err := s.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: s.key("events"), Group: name, Consumer: consumer, Start: "-", End: "+", Count: 1,
	}).Result()
	if isNoGroup(err) {
		return nil
	}
	if err == nil && len(held) == 0 {
		err = s.rdb.XGroupDelConsumer(ctx, s.key("events"), name, consumer).Err()
	}
	return s.fail(ctx, "leave subscription", err)
}

// defaultMaxEvents is how many events the stream keeps where nobody has set how
// many: see lua/lib/trim.lua.
const defaultMaxEvents = 1_000_000

// SubscriptionLag is how far a subscription is behind. One that does not exist is
// not.
func (s *Store) SubscriptionLag(ctx context.Context, name string) (worker.Lag, error) {
	if err := s.checkName(); err != nil {
		return worker.Lag{}, err
	}
	p := s.rdb.Pipeline()
	info, kept := p.XInfoGroups(ctx, s.key("events")), p.XLen(ctx, s.key("events"))
	most := p.HGet(ctx, s.key("meta"), "events:max")
	p.Exec(ctx)
	lag := worker.Lag{MaxEvents: defaultMaxEvents}
	if n, err := most.Int(); err == nil && n > 0 {
		lag.MaxEvents = n
	}
	groups, err := info.Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return lag, nil // nothing has happened yet
	}
	if err != nil {
		return worker.Lag{}, s.fail(ctx, "subscription lag", err)
	}
	for _, g := range groups {
		if g.Name == name {
			lag.Unread, lag.Pending = int(min(max(g.Lag, 0), kept.Val())), int(g.Pending)
		}
	}
	return lag, nil
}
