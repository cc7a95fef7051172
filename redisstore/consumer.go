package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// ReadGroup reads events for one consumer of a group: first those that another
// consumer has held for longer than idle, then new ones.
func (s *Store) ReadGroup(ctx context.Context, group, consumer string, max int, idle, wait time.Duration) ([]worker.Event, int64, error) {
	if err := s.checkName(); err != nil {
		return nil, 0, err
	}
	stream := s.key("events")
	taken, trimmed, err := s.takeOver(ctx, group, consumer, max, idle)
	if isNoGroup(err) {
		if err := s.createGroup(ctx, group); err != nil {
			return nil, 0, s.fail("create consumer group", err)
		}
		taken, trimmed, err = s.takeOver(ctx, group, consumer, max, idle)
	}
	if err != nil {
		return nil, 0, s.fail("read group", err)
	}
	if len(taken) > 0 || trimmed > 0 {
		events, err := decodeEvents(taken)
		return events, trimmed, err
	}
	if wait < time.Millisecond {
		wait = -1
	}
	var streams []redis.XStream
	err = s.block(ctx, func(ctx context.Context, rdb redis.UniversalClient) (err error) {
		streams, err = rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{stream, ">"}, Count: int64(max), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, s.fail("read group", err)
	}
	if len(streams) == 0 {
		return nil, 0, nil
	}
	events, err := decodeEvents(streams[0].Messages)
	return events, 0, err
}

// takeOver claims entries that somebody has held for too long. Entries of which
// only the position is left were trimmed: they are taken off the list and
// counted.
func (s *Store) takeOver(ctx context.Context, group, consumer string, max int, idle time.Duration) ([]redis.XMessage, int64, error) {
	messages, _, err := s.rdb.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: s.key("events"), Group: group, Consumer: consumer, MinIdle: idle, Start: "0", Count: int64(max),
	}).Result()
	if err != nil {
		return nil, 0, err
	}
	var live []redis.XMessage
	var dead []string
	for _, m := range messages {
		if len(m.Values) == 0 {
			dead = append(dead, m.ID)
		} else {
			live = append(live, m)
		}
	}
	if len(dead) > 0 {
		if err := s.rdb.XAck(ctx, s.key("events"), group, dead...).Err(); err != nil {
			return nil, 0, err
		}
	}
	return live, int64(len(dead)), nil
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

// GroupLag is how many events wait to be read by the group, and how many are
// read but not acknowledged.
func (s *Store) GroupLag(ctx context.Context, group string) (unread, pending int64, err error) {
	groups, err := s.rdb.XInfoGroups(ctx, s.key("events")).Result()
	if err != nil {
		return 0, 0, s.fail("group lag", err)
	}
	for _, g := range groups {
		if g.Name == group {
			return max(g.Lag, 0), g.Pending, nil
		}
	}
	return 0, 0, nil
}
