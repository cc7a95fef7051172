package worker

import (
	"context"
	"time"
)

// spreader makes the children of parents and stops those of parents that have ended, step by
// step. The store signals some replicas when a parent has work. Maintenance wakes the
// spreader of another one if that work stays.
type spreader struct {
	r    *Replica
	wake chan struct{}
}

func (s *spreader) run(ctx context.Context) {
	t := retry{outage: s.r.outages, op: "spread"}
	defer t.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		if next := s.spread(ctx, &t); next > 0 {
			timer.Reset(next)
		}
	}
}

// spread calls Spread while a parent needs it at once. It returns how long to wait then, 0
// if no parent needs it.
func (s *spreader) spread(ctx context.Context, t *retry) (next time.Duration) {
	for ctx.Err() == nil {
		s.r.retryCall(ctx, t, func(ctx context.Context) (err error) {
			next, err = s.r.store.Spread(ctx)
			return err
		})
		if next > time.Millisecond || next == 0 {
			return next
		}
	}
	return 0
}
