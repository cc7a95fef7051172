package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// drain measures how fast workers take tasks that do nothing off a full queue:
// from the first start to the last.
func drain(b *bench) error {
	for _, slots := range []int{10, 50, 200} {
		label := drainLabel(slots)
		for _, s := range b.chosen(append(peers, "raw", "floor")...) {
			if err := b.drained(label, s, names[s], env{}, 1, slots, 0); err != nil {
				return err
			}
		}
		if slots != 50 {
			continue
		}
		for _, s := range b.chosen(peers...) {
			if err := b.drained(label, s, names[s]+", tuned", env{Tuned: true}, 1, slots, 0); err != nil {
				return err
			}
		}
	}
	if !b.systems["ours"] {
		return nil
	}
	if err := b.drained(fourLabel, "ours", names["ours"], env{}, 4, 50, 0); err != nil {
		return err
	}
	if err := b.drained(limitLabel, "ours", names["ours"], env{Limit: 100}, 4, 50, 0); err != nil {
		return err
	}
	return b.drained(groupsLabel, "ours", names["ours"], env{GroupLimit: 1}, 1, 50, 1000)
}

func drainLabel(slots int) string { return fmt.Sprintf("drain, %d slots", slots) }

const (
	fourLabel   = "drain, 4 replicas of 50 slots"
	limitLabel  = "drain, 4 replicas of 50 slots, queue limit 100"
	groupsLabel = "drain, 50 slots, 1,000 groups of limit 1"
)

func (b *bench) drained(label, system, row string, e env, replicas, slots, groups int) error {
	n := b.sizes.tasksFor(system, slots)
	return b.measured(system, e, replicas, func(r *rig) error {
		if err := r.fill(n, 16, groups); err != nil {
			return err
		}
		if err := r.start(slots, n); err != nil {
			return err
		}
		watch := b.watchLimit(e.Limit)
		results, err := r.finish(n)
		if err := errors.Join(err, watch()); err != nil {
			return err
		}
		b.results.add(label, row, "tasks/s", rate(n, results))
		return nil
	})
}

// watchLimit samples how many tasks run at once until the function it returns is
// called, which fails if they were ever more than the limit.
func (b *bench) watchLimit(limit int) func() error {
	if limit == 0 {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() {
		samples := 0
		for ; ctx.Err() == nil; samples++ {
			n, err := b.redis.rdb.ZCard(ctx, "lts:{"+line+"}:running:"+worker.DefaultQueue).Result()
			if n > int64(limit) {
				ended <- fmt.Errorf("%d tasks ran at once with a limit of %d", n, limit)
				return
			}
			if err == nil {
				_ = sleep(ctx, time.Millisecond)
			}
		}
		if samples < 10 {
			ended <- fmt.Errorf("the limit was looked at %d times only", samples)
			return
		}
		ended <- nil
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
