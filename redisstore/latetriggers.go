package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// A trigger is late if no replica has handled it for lateAfter since it was due. A replica
// that cannot compute it gets it again and again: each time it is reserved anew.
const lateAfter = time.Minute

// maxLate is how many late triggers one call finds.
const maxLate = 100

// LateTriggers returns up to 100 triggers that should have fired and have not, those first that
// are due for longest, and the server's time.
func (s *Store) LateTriggers(ctx context.Context) ([]task.StoredTrigger, time.Time, error) {
	late, now, err := s.lateTriggers(ctx)
	return late, now, s.fail(ctx, "late triggers", err)
}

func (s *Store) lateTriggers(ctx context.Context) (late []task.StoredTrigger, now time.Time, err error) {
	if now, err = s.now(ctx); err != nil {
		return nil, now, err
	}
	var names []string
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		names, err = rdb.ZRangeByScore(ctx, s.key("triggers"),
			&redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.Add(triggerReserve).UnixMilli(), 10), Count: maxLate}).Result()
		return err
	})
	if err != nil || len(names) == 0 {
		return nil, now, err
	}
	read, _, err := s.Triggers(ctx, names...)
	for _, t := range read {
		if t.Version != "" && !t.Paused && !t.Due.IsZero() && now.Sub(t.Due) > lateAfter {
			late = append(late, t)
		}
	}
	return late, now, err
}

// inspectTriggers reports triggers that should have fired and have not.
func (s *Store) inspectTriggers(ctx context.Context, add adder) error {
	late, now, err := s.lateTriggers(ctx)
	if err != nil {
		return ignoreWrongType(err)
	}
	some, more := splitAt(late, maxRefusals)
	for _, t := range some {
		since := now.Sub(t.Due).Round(time.Second)
		add("trigger_late", named("trigger", t.Name), instant("at", t.Due), named("late", since.String()), findings.Millis("late_ms", since))
	}
	if len(more) > 0 {
		add("triggers_late", count("more", len(more)))
	}
	return nil
}
