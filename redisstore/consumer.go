package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// ReadGroup reads events for one consumer of a group: those that any consumer,
// this one too, has held for longer than idle, or else new ones. trimmed says that
// events were trimmed away before the group could read them.
func (s *Store) ReadGroup(ctx context.Context, group, consumer string, max int, idle, wait time.Duration) ([]worker.Event, bool, error) {
	if err := s.checkName(); err != nil {
		return nil, false, err
	}
	l, err := s.takeOver(ctx, group, consumer, max, idle)
	if isNoGroup(err) {
		if err := s.createGroup(ctx, group); err != nil {
			return nil, false, s.fail("create consumer group", err)
		}
		l, err = s.takeOver(ctx, group, consumer, max, idle)
	}
	if err == nil && len(l.messages) == 0 {
		err = s.readNew(ctx, group, consumer, max, wait, &l)
	}
	var events []worker.Event
	if err == nil {
		events, err = decodeEvents(l.messages)
	}
	trimmed := false
	if err == nil {
		trimmed, err = s.tell(group, l)
	}
	if err != nil {
		s.owe(group, l)
		return nil, false, s.fail("read group", err)
	}
	return events, trimmed, nil
}

// look is what one call found of a group.
type look struct {
	messages []redis.XMessage
	lost     bool   // entries that somebody held are gone
	position string // how far the group had read before
	trimmed  string // up to where entries are gone, "" for none
}

// takeOverPages bounds how much of what a group holds one call looks through; a
// page is up to ten times as many entries as are asked for.
const takeOverPages = 10

// takeOver claims entries that somebody has held for too long, going on where the
// last call ended: many that are not due must not hide those behind them.
func (s *Store) takeOver(ctx context.Context, group, consumer string, max int, idle time.Duration) (look, error) {
	s.mu.Lock()
	g := s.group(group)
	l := look{lost: g.lost, position: g.position}
	from := g.from
	s.mu.Unlock()
	whole := from == "0-0"
	for range takeOverPages {
		p := s.rdb.Pipeline()
		claim := p.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
			Stream: s.key("events"), Group: group, Consumer: consumer, MinIdle: idle, Start: from, Count: int64(max),
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
			if g.Name == group && l.position == "" {
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
	g.from = from
	s.mu.Unlock()
	return l, nil
}

// readNew reads entries that the group has not seen, and waits up to wait for the
// first unless there is something to tell.
func (s *Store) readNew(ctx context.Context, group, consumer string, max int, wait time.Duration, l *look) error {
	missed, err := s.missed(group, *l)
	if err != nil {
		return err
	}
	if missed || l.lost || wait < time.Millisecond {
		wait = -1 // do not block: a zero would block for ever
	}
	var streams []redis.XStream
	err = s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{s.key("events"), ">"}, Count: int64(max), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if len(streams) > 0 {
		l.messages = streams[0].Messages
	}
	// Looked at after reading, which moved the group past whatever was trimmed
	// before: no later call would find that out.
	l.trimmed, err = s.rdb.HGet(ctx, s.key("meta"), "events:trimmed").Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return err
}

func isNoGroup(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOGROUP") }

// createGroup makes the group at the end of the stream; somebody else may have
// just done so.
func (s *Store) createGroup(ctx context.Context, group string) error {
	err := s.rdb.XGroupCreateMkStream(ctx, s.key("events"), group, "$").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// AckEvents takes events off a group's list.
func (s *Store) AckEvents(ctx context.Context, group string, cursors ...string) error {
	if len(cursors) == 0 {
		return nil
	}
	return s.fail("acknowledge events", s.rdb.XAck(ctx, s.key("events"), group, cursors...).Err())
}

// LeaveGroup takes a consumer that holds nothing off its group. One that still
// holds entries stays, so that others can take them over.
func (s *Store) LeaveGroup(ctx context.Context, group, consumer string) error {
	held, err := s.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: s.key("events"), Group: group, Consumer: consumer, Start: "-", End: "+", Count: 1,
	}).Result()
	if isNoGroup(err) {
		return nil
	}
	if err == nil && len(held) == 0 {
		err = s.rdb.XGroupDelConsumer(ctx, s.key("events"), group, consumer).Err()
	}
	return s.fail("leave group", err)
}

// GroupLag is how many events wait to be read by the group, those that were
// trimmed not counted, and how many are read but not acknowledged.
func (s *Store) GroupLag(ctx context.Context, group string) (unread, pending int64, err error) {
	p := s.rdb.Pipeline()
	info, kept := p.XInfoGroups(ctx, s.key("events")), p.XLen(ctx, s.key("events"))
	p.Exec(ctx)
	groups, err := info.Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return 0, 0, nil // nothing has happened yet
	}
	if err != nil {
		return 0, 0, s.fail("group lag", err)
	}
	for _, g := range groups {
		if g.Name == group {
			return min(max(g.Lag, 0), kept.Val()), g.Pending, nil
		}
	}
	return 0, 0, nil
}
