package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// WaitingSince returns the server's time and, by queue, when the task that has waited
// longest began to wait. It reads the first task of every priority. It ignores tasks that
// their group blocks, and queues without waiting tasks.
func (s *Store) WaitingSince(ctx context.Context, queues ...string) (map[string]time.Time, time.Time, error) {
	oldest := map[string]time.Time{}
	now, err := s.now(ctx)
	for _, kind := range []string{"wait:", "labelled:"} {
		from := make(map[string]int64, len(queues)) // the position from which to read
		for left := queues; err == nil && len(left) > 0; {
			left, err = s.waitTimes(ctx, kind, left, from, oldest)
		}
	}
	if err != nil {
		return nil, time.Time{}, s.fail(ctx, "waiting since", err)
	}
	return oldest, now, nil
}

// waitTimes reads the first task of each queue in its key of a kind from its position on, and sets the position
// to the next priority. It returns the queues that may have more.
func (s *Store) waitTimes(ctx context.Context, kind string, queues []string, from map[string]int64, oldest map[string]time.Time) (more []string, err error) {
	var ids []string
	err = s.pipeline(ctx, queues, pipelinePage, func(p redis.Pipeliner, queue string) func() {
		first := p.ZRangeByScoreWithScores(ctx, s.key(kind, queue), &redis.ZRangeBy{
			Min: strconv.FormatInt(from[queue], 10), Max: "+inf", Count: 1,
		})
		return func() {
			for _, z := range first.Val() {
				id, _ := z.Member.(string)
				ids, more = append(ids, id), append(more, queue)
				from[queue] = (int64(z.Score)/scoreRange + 1) * scoreRange
			}
		}
	})
	if err != nil {
		return nil, err
	}
	tasks, err := s.read(ctx, true, ids)
	for i, t := range tasks {
		if t == nil {
			continue
		}
		since := t.CreatedAt
		if t.DueAt.After(since) {
			since = t.DueAt
		}
		if have, ok := oldest[more[i]]; !since.IsZero() && (!ok || since.Before(have)) {
			oldest[more[i]] = since
		}
	}
	return more, err
}
