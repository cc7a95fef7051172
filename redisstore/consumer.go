package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// ReadGroup reads events for one consumer of a group: first those that any
// consumer, this one too, has held for longer than idle, then new ones. trimmed
// says that events were trimmed away before the group could read them.
func (s *Store) ReadGroup(ctx context.Context, group, consumer string, max int, idle, wait time.Duration) ([]worker.Event, bool, error) {
	if err := s.checkName(); err != nil {
		return nil, false, err
	}
	taken, trimmed, err := s.takeOver(ctx, group, consumer, max, idle)
	if isNoGroup(err) {
		if err := s.createGroup(ctx, group); err != nil {
			return nil, false, s.fail("create consumer group", err)
		}
		taken, trimmed, err = s.takeOver(ctx, group, consumer, max, idle)
	}
	if err != nil {
		return nil, false, s.fail("read group", err)
	}
	if len(taken) > 0 || trimmed {
		events, err := decodeEvents(taken)
		return events, trimmed, err
	}
	if wait < time.Millisecond {
		wait = -1 // do not block: a zero would block for ever
	}
	var streams []redis.XStream
	err = s.block(ctx, func(ctx context.Context, rdb redis.UniversalClient) (err error) {
		streams, err = rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{s.key("events"), ">"}, Count: int64(max), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, false, s.fail("read group", err)
	}
	if len(streams) == 0 {
		return nil, false, nil
	}
	events, err := decodeEvents(streams[0].Messages)
	return events, false, err
}

// takeOver claims entries that somebody has held for too long, and looks whether
// the group missed some: those it held that are gone, or, where nothing else is
// to be told, those that were trimmed before anybody read them.
func (s *Store) takeOver(ctx context.Context, group, consumer string, max int, idle time.Duration) ([]redis.XMessage, bool, error) {
	p := s.rdb.Pipeline()
	claim := p.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
		Stream: s.key("events"), Group: group, Consumer: consumer, MinIdle: idle, Start: "0", Count: int64(max),
	})
	groups := p.XInfoGroups(ctx, s.key("events"))
	position := p.HGet(ctx, s.key("meta"), "events:trimmed")
	if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, false, err
	}
	messages, _, dead, err := claim.Result()
	if err != nil || len(messages) > 0 || len(dead) > 0 {
		return messages, len(dead) > 0, err
	}
	for _, g := range groups.Val() {
		if g.Name == group {
			missed, err := s.missed(g, position.Val())
			return nil, missed, err
		}
	}
	return nil, false, nil
}

// missed reports whether the group lost events to the trimming and has not been
// told of it by this store.
func (s *Store) missed(g redis.XInfoGroup, trimmed string) (bool, error) {
	if trimmed == "" {
		return false, nil
	}
	behind, err := cursorBefore(g.LastDeliveredID, trimmed)
	if err != nil || !behind {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[g.Name] == trimmed {
		return false, nil
	}
	if s.told == nil {
		s.told = map[string]string{}
	}
	s.told[g.Name] = trimmed
	return true, nil
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
