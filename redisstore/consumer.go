package redisstore

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// ReadSubscription reads events for one consumer of a subscription, which is a consumer
// group of the stream. It returns events that any consumer, including this one, has held
// for longer than idle. If there are none, it returns new ones, and waits up to wait for
// the first. It reads whole entries, so the events may exceed the limit by up to 49. The
// bool result is true if events were trimmed before any consumer read them. Consumers that
// hold no entries and have made no call for deadAfter longer than idle are removed.
func (s *Store) ReadSubscription(ctx context.Context, name, consumer string, limit int, idle, wait time.Duration) ([]task.Event, bool, error) {
	c := reading{name: name, consumer: consumer, count: s.entriesFor(limit), idle: idle}
	err := s.takeOver(ctx, &c)
	if isNoGroup(err) {
		if err = s.createGroup(ctx, name); err == nil {
			err = s.takeOver(ctx, &c)
		}
	}
	if err == nil && len(c.entries) == 0 {
		err = s.readNew(ctx, &c, wait)
	}
	trimmed := false
	if err == nil {
		trimmed, err = s.report(&c)
	}
	if err != nil {
		s.postpone(&c)
		return nil, false, s.fail(ctx, "read subscription", err)
	}
	events, n := s.decodeEntries(c.entries, limit)
	if n < len(c.entries) {
		s.giveBack(ctx, &c, c.entries[n:])
	}
	s.showAlive(ctx, &c)
	return events, trimmed, nil
}

// reading is the state of one call of ReadSubscription.
type reading struct {
	name, consumer string
	count          int64 // entries to read
	idle           time.Duration

	entries  []redis.XMessage
	lost     bool   // entries that a consumer held were trimmed
	position string // how far the consumer group had read before
	trimmed  string // up to which position entries were trimmed, "" for none
}

// takeOver claims entries that a consumer has held for too long. It continues where the
// last call ended, so that many entries that are held for a shorter time do not hide those
// behind them.
func (s *Store) takeOver(ctx context.Context, c *reading) error {
	s.mu.Lock()
	sub := s.subscription(c.name)
	from := sub.from
	c.lost, c.position = sub.lost, sub.position
	s.mu.Unlock()
	whole := from == "0-0"
	for range takeOverPages {
		next, err := s.autoClaim(ctx, c, from)
		if err != nil {
			return err
		}
		from = next
		if len(c.entries) > 0 || from == "0-0" && whole {
			break
		}
		whole = whole || from == "0-0" // the end: continue at the beginning once
	}
	s.mu.Lock()
	sub.from = from
	s.mu.Unlock()
	return nil
}

// autoClaim claims a page of entries, and reads which entries were trimmed.
func (s *Store) autoClaim(ctx context.Context, c *reading, from string) (next string, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		claim := p.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
			Stream: s.key("events"), Group: c.name, Consumer: c.consumer, MinIdle: c.idle, Start: from, Count: c.count,
		})
		groups := p.XInfoGroups(ctx, s.key("events"))
		trimmed := p.HGet(ctx, s.key("meta"), "events:trimmed")
		if _, err := p.Exec(ctx); ignoreNil(err) != nil {
			return err
		}
		var dead []string
		if c.entries, next, dead, err = claim.Result(); err != nil {
			return err
		}
		c.lost, c.trimmed = c.lost || len(dead) > 0, trimmed.Val()
		for _, g := range groups.Val() {
			if g.Name == c.name && c.position == "" {
				c.position = g.LastDeliveredID
			}
		}
		return nil
	})
	return next, err
}

// readNew reads entries that no consumer has read. It waits up to wait for the first,
// unless there is a loss to report.
func (s *Store) readNew(ctx context.Context, c *reading, wait time.Duration) error {
	missed, err := s.missed(c)
	if err != nil {
		return err
	}
	if missed || c.lost || wait < time.Millisecond {
		wait = -1 // do not block: a zero would block forever
	}
	var streams []redis.XStream
	err = s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: c.name, Consumer: c.consumer, Streams: []string{s.key("events"), ">"}, Count: c.count, Block: wait,
		}).Result()
		return err
	})
	if err = ignoreNil(err); err != nil {
		return err
	}
	if len(streams) > 0 {
		c.entries = streams[0].Messages
	}
	// This comes after the read, which moved the consumer group past all entries that were
	// trimmed before. A later call would not notice that.
	c.trimmed, err = s.setting(ctx, "events:trimmed")
	return err
}

// giveBack lets the next call of any consumer take over entries that this call read and
// does not return. This store's next call begins with them, so that the events of a task
// keep their order. If giveBack fails, the entries are taken over once they have been held
// for longer than idle.
func (s *Store) giveBack(ctx context.Context, c *reading, entries []redis.XMessage) {
	s.mu.Lock()
	s.subscription(c.name).from = entries[0].ID
	s.mu.Unlock()
	args := []any{"XCLAIM", s.key("events"), c.name, c.consumer, 0}
	for i := range entries {
		args = append(args, entries[i].ID)
	}
	args = append(args, "IDLE", c.idle.Milliseconds(), "JUSTID")
	_ = s.commands(ctx, func(rdb redis.UniversalClient) error { return rdb.Do(ctx, args...).Err() })
}

func isNoGroup(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOGROUP") }

// createGroup creates the consumer group at the end of the stream. If another consumer
// has created it meanwhile, that is no error.
func (s *Store) createGroup(ctx context.Context, name string) error {
	return s.commands(ctx, func(rdb redis.UniversalClient) error {
		err := rdb.XGroupCreateMkStream(ctx, s.key("events"), name, "$").Err()
		if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
			return nil
		}
		return err
	})
}

// AckEvents acknowledges the entries at these cursors: no consumer holds them any longer.
func (s *Store) AckEvents(ctx context.Context, name string, cursors ...string) error {
	return s.fail(ctx, "acknowledge events", s.onEntries(ctx, cursors, func(rdb redis.UniversalClient, page []string) error {
		return rdb.XAck(ctx, s.key("events"), name, page...).Err()
	}))
}

// HoldEvents restarts the time for which the consumer has held the entries at these
// cursors. It ignores entries that were acknowledged or trimmed.
func (s *Store) HoldEvents(ctx context.Context, name, consumer string, cursors ...string) error {
	return s.fail(ctx, "hold events", s.onEntries(ctx, cursors, func(rdb redis.UniversalClient, page []string) error {
		return rdb.XClaimJustID(ctx, &redis.XClaimArgs{Stream: s.key("events"), Group: name, Consumer: consumer, Messages: page}).Err()
	}))
}

// onEntries calls do for each page of cursors, without duplicates: the events of an entry
// have the same cursor.
func (s *Store) onEntries(ctx context.Context, cursors []string, do func(rdb redis.UniversalClient, page []string) error) error {
	for page := range slices.Chunk(slices.Compact(slices.Clone(cursors)), eventPage) {
		if err := s.commands(ctx, func(rdb redis.UniversalClient) error { return do(rdb, page) }); err != nil {
			return err
		}
	}
	return nil
}

// aliveInterval is the pause between the calls by which a consumer shows that it is alive.
// Without one for deadAfter longer than it may hold an entry, it is dead.
const (
	aliveInterval = 4 * time.Second
	deadAfter     = 4 * aliveInterval
)

// showAlive shows that the consumer is alive, if aliveInterval has passed since it did so
// last, and removes dead consumers whose entries were taken over. It ignores errors.
func (s *Store) showAlive(ctx context.Context, c *reading) {
	s.mu.Lock()
	sub := s.subscription(c.name)
	checked, ready := sub.checked, time.Since(sub.shown[c.consumer]) >= aliveInterval
	if ready {
		sub.shown[c.consumer] = time.Now()
	}
	s.mu.Unlock()
	if !ready {
		return
	}
	reply, err := s.run(ctx, consumersScript, c.name, c.consumer, 0, (c.idle + deadAfter).Milliseconds(), maxDead, checked)
	if parts, ok := reply.([]any); ok && err == nil && len(parts) == 2 {
		s.mu.Lock()
		sub.checked, _ = parts[1].(string)
		s.mu.Unlock()
	}
}

// LeaveSubscription removes a consumer from the group. A consumer that still holds entries
// stays, so that others can take them over.
func (s *Store) LeaveSubscription(ctx context.Context, name, consumer string) error {
	s.mu.Lock()
	delete(s.subscription(name).shown, consumer)
	s.mu.Unlock()
	_, err := s.run(ctx, consumersScript, name, consumer, 1, 0, 0, "")
	if isNoGroup(err) {
		return nil
	}
	return s.fail(ctx, "leave subscription", err)
}

// defaultMaxEvents is how many events the stream keeps by default: see lua/lib/trim.lua.
const defaultMaxEvents = 1_000_000

// SubscriptionLags returns about how far each subscription is behind. Redis counts entries;
// the result is their number times the average number of events in an entry of the stream.
func (s *Store) SubscriptionLags(ctx context.Context) (lags map[string]task.Lag, kept int, err error) {
	lags, kept = map[string]task.Lag{}, defaultMaxEvents
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		info, entries := p.XInfoGroups(ctx, s.key("events")), p.XLen(ctx, s.key("events"))
		meta := p.HMGet(ctx, s.key("meta"), "events:max", "events:added", "events:gone")
		p.Exec(ctx)
		groups, err := info.Result()
		if err != nil && strings.Contains(err.Error(), "no such key") {
			groups, err = nil, nil // the stream has no entry yet
		}
		if err != nil {
			return err
		}
		most, added, gone := number(meta, 0), number(meta, 1), number(meta, 2)
		if most > 0 {
			kept = int(most)
		}
		events := func(n int64) int {
			return int(math.Round(float64(min(max(n, 0), entries.Val())) * max((added-gone)/float64(max(entries.Val(), 1)), 1)))
		}
		for _, g := range groups {
			lags[g.Name] = task.Lag{Unread: events(g.Lag), Pending: events(g.Pending), MaxEvents: kept}
		}
		return nil
	})
	return lags, kept, s.fail(ctx, "subscription lags", err)
}

// number returns the i-th value of a reply as a number, 0 if it is not one.
func number(reply *redis.SliceCmd, i int) (n float64) {
	if v := reply.Val(); i < len(v) {
		text, _ := v[i].(string)
		n, _ = strconv.ParseFloat(text, 64)
	}
	return n
}
