package redisstore

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// priorityStep is how far apart the scores of two priorities are in a queue's
// line: see score_of in lua/lib/line.lua.
const priorityStep = 1 << 45

// WaitingSince reads since when the task waits that has waited longest in the
// line of each queue: the first of every priority that has any. Tasks behind
// their group's head are not in the line.
func (s *Store) WaitingSince(ctx context.Context, queues ...string) (map[string]time.Time, time.Time, error) {
	if err := s.checkName(); err != nil {
		return nil, time.Time{}, err
	}
	home, err := s.home(ctx)
	if err != nil {
		return nil, time.Time{}, s.fail(ctx, "waiting since", err)
	}
	now, err := home.Time(ctx).Result()
	if err != nil {
		return nil, time.Time{}, s.fail(ctx, "waiting since", err)
	}
	oldest := map[string]time.Time{}
	from := make(map[string]float64, len(queues)) // where to look next in each line
	for _, q := range queues {
		from[q] = 0 // the score of the first task of the highest priority is above it
	}
	for len(from) > 0 {
		heads, err := s.firstFrom(ctx, from)
		if err != nil {
			return nil, time.Time{}, s.fail(ctx, "waiting since", err)
		}
		if err := s.waitTimes(ctx, heads, oldest); err != nil {
			return nil, time.Time{}, s.fail(ctx, "waiting since", err)
		}
		for q := range from {
			delete(from, q)
			if z, ok := heads[q]; ok {
				from[q] = (math.Floor(z.Score/priorityStep) + 1) * priorityStep
			}
		}
	}
	return oldest, now, nil
}

// firstFrom reads the first entry of each line from a score on.
func (s *Store) firstFrom(ctx context.Context, from map[string]float64) (map[string]redis.Z, error) {
	p := s.rdb.Pipeline()
	cmds := map[string]*redis.ZSliceCmd{}
	for q, score := range from {
		cmds[q] = p.ZRangeByScoreWithScores(ctx, s.key("wait:", q), &redis.ZRangeBy{
			Min: strconv.FormatFloat(score, 'f', -1, 64), Max: "+inf", Count: 1,
		})
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, err
	}
	heads := map[string]redis.Z{}
	for q, cmd := range cmds {
		if first := cmd.Val(); len(first) > 0 {
			heads[q] = first[0]
		}
	}
	return heads, nil
}

// waitTimes notes since when the tasks wait, where that is longer than what is
// known of their queue.
func (s *Store) waitTimes(ctx context.Context, heads map[string]redis.Z, oldest map[string]time.Time) error {
	if len(heads) == 0 {
		return nil
	}
	p := s.rdb.Pipeline()
	cmds := map[string]*redis.SliceCmd{}
	for q, z := range heads {
		id, _ := z.Member.(string)
		cmds[q] = p.HMGet(ctx, s.key("task:", id), "created_at", "due_at")
	}
	if _, err := p.Exec(ctx); err != nil {
		return err
	}
	for q, cmd := range cmds {
		latest := int64(0)
		for _, v := range cmd.Val() {
			text, _ := v.(string)
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
				latest = max(latest, ms)
			}
		}
		since := time.UnixMilli(latest)
		if have, ok := oldest[q]; latest > 0 && (!ok || since.Before(have)) {
			oldest[q] = since
		}
	}
	return nil
}
