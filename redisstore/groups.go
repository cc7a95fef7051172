package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Groups reads the default limit of groups, 0 for none, and the named groups in the order
// of their names. Without names it reads the groups that have a limit or a rate of their own or
// are exempt.
func (s *Store) Groups(ctx context.Context, names ...string) (int, []task.GroupInfo, error) {
	byDefault, groups, err := s.groups(ctx, names)
	if err != nil {
		return 0, nil, s.fail(ctx, "groups", err)
	}
	return byDefault, groups, nil
}

func (s *Store) groups(ctx context.Context, names []string) (byDefault int, groups []task.GroupInfo, err error) {
	if len(names) == 0 {
		if names, err = s.limitedGroups(ctx); err != nil {
			return 0, nil, err
		}
	}
	text, err := s.setting(ctx, "limit:group")
	if err != nil {
		return 0, nil, err
	}
	byDefault, _ = strconv.Atoi(text)
	defaultRate, err := s.DefaultRate(ctx)
	if err != nil {
		return 0, nil, err
	}
	now, err := s.now(ctx)
	if err != nil {
		return 0, nil, err
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	err = s.pipeline(ctx, names, pipelinePage, func(p redis.Pipeliner, name string) func() {
		limit, running := p.HGet(ctx, s.key("meta"), groupLimit+name), p.SCard(ctx, s.key("group:run:", name))
		rate, until := p.HGet(ctx, s.key("meta"), groupRate+name), p.ZScore(ctx, s.key("timers"), "g "+name)
		return func() {
			g := task.GroupInfo{Name: name, Running: int(running.Val()), Limit: byDefault, Own: limit.Err() == nil}
			if g.Own {
				g.Limit, _ = strconv.Atoi(limit.Val()) // 0 for "none"
			}
			g.Rate, g.OwnRate = defaultRate, rate.Err() == nil
			if g.OwnRate {
				g.Rate = rateOf(rate.Val())
			}
			if at := time.UnixMilli(int64(until.Val())); g.Rate.Limits() && at.After(now) {
				g.RateUntil = at
			}
			groups = append(groups, g)
		}
	})
	for i := 0; err == nil && i < len(groups); i++ {
		if g := &groups[i]; g.Full() || !g.RateUntil.IsZero() { // a group with room blocks no task for long
			g.Held, err = s.countBlocked(ctx, g.Name)
		}
	}
	return byDefault, groups, err
}

// groupLimit is the prefix of the fields of the meta hash that are limits of groups.
const groupLimit = "limit:group:"

// groupRate is the prefix of the fields of the meta hash that are rates of groups.
const groupRate = "rate:group:"

// DefaultRate reads the rate of each group without a rate of its own, the zero Rate for none.
func (s *Store) DefaultRate(ctx context.Context) (task.Rate, error) {
	text, err := s.setting(ctx, "rate:group")
	return rateOf(text), err
}

// limitedGroups returns the groups that have a limit or a rate of their own or are exempt.
func (s *Store) limitedGroups(ctx context.Context) (names []string, err error) {
	for flat, err := range s.scan(ctx, func(rdb redis.UniversalClient, cursor uint64) *redis.ScanCmd {
		return rdb.HScan(ctx, s.key("meta"), cursor, "*:group:*", scanPage)
	}) {
		if err != nil {
			return nil, err
		}
		for i := 0; i < len(flat); i += 2 {
			for _, prefix := range []string{groupLimit, groupRate} {
				if name, ok := strings.CutPrefix(flat[i], prefix); ok {
					names = append(names, name)
				}
			}
		}
	}
	return names, nil
}

// countBlocked counts the waiting tasks of a group in the queues where some are blocked:
// the blocked ones and the group's head.
func (s *Store) countBlocked(ctx context.Context, group string) (held int, err error) {
	queues, err := s.members(ctx, s.key("group:queues:", group))
	if err != nil {
		return 0, ignoreWrongType(err)
	}
	err = s.pipeline(ctx, queues, pipelinePage, func(p redis.Pipeliner, queue string) func() {
		// Members begin with the group and a space: see blocked_member in lua/lib/queue.lua.
		blocked := p.ZLexCount(ctx, s.key("group:wait:", queue), "["+group+" ", "("+group+"!")
		head := p.HExists(ctx, s.key("group:head:", queue), group)
		return func() {
			if held += int(blocked.Val()); head.Val() {
				held++
			}
		}
	})
	return held, err
}
