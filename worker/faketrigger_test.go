package worker

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func (s *fakeStore) FireTriggers(ctx context.Context, firings []task.TriggerFiring, most int) (got task.FiredTriggers, err error) {
	err = s.do(ctx, "fire triggers", func() {
		if s.triggers != nil {
			got = s.triggers(firings, most)
		}
	})
	return got, err
}

func (s *fakeStore) Spread(ctx context.Context) (next time.Duration, err error) {
	err = s.do(ctx, "spread", func() {
		if s.spread != nil {
			next = s.spread()
		}
	})
	return next, err
}
