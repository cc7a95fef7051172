package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var drainSlots = []int{10, 50, 200}

func drainLabel(slots int) string { return fmt.Sprintf("drain, %d slots", slots) }

const (
	fourLabel   = "drain, 4 replicas of 50 slots"
	limitLabel  = "drain, 4 replicas of 50 slots, queue limit 100"
	rateLabel   = "drain, 50 slots, a rate that never blocks"
	labelLabel  = "drain, 50 slots, tasks with a label"
	groupsLabel = "drain, 50 slots, 1,000 groups of limit 1"
)

// drain measures how fast workers take tasks that do nothing off a full queue, from the first start
// of a handler to the last. Every system runs as in a service. A client process enqueues. A
// separate worker process runs a typed handler per task and reports the end of the task. The
// system's own records are used to check the ends.
func drain(b *bench) error {
	for _, slots := range drainSlots {
		label := drainLabel(slots)
		for _, v := range b.compared(append(slices.Clone(peers), ceilings...)...) {
			if err := b.drained(label, v, 1, slots, 0); err != nil {
				return err
			}
		}
		if slots != 50 {
			continue
		}
		for _, s := range b.chosen("ours", "asynq", "gocraft", bullmq) { // River's tuned row is in the comparison
			if err := b.drained(label, variant{s, tunedRow(s), env{Tuned: true}}, 1, slots, 0); err != nil {
				return err
			}
		}
	}
	// asynq, gocraft/work and River have no rate of a queue over all workers.
	neverBlocks := task.PerSecond(task.MaxRate)
	for _, s := range b.chosen("ours", bullmq) {
		if err := b.drained(rateLabel, variant{s, names[s], env{Rate: neverBlocks}}, 1, 50, 0); err != nil {
			return err
		}
	}
	if !b.systems["ours"] {
		return nil
	}
	us := func(e env) variant { return variant{"ours", names["ours"], e} }
	if err := b.drained(fourLabel, us(env{}), 4, 50, 0); err != nil {
		return err
	}
	if err := b.drained(limitLabel, us(env{Limit: 100}), 4, 50, 0); err != nil {
		return err
	}
	if err := b.drained(labelLabel, us(env{Label: "gpu"}), 1, 50, 0); err != nil {
		return err
	}
	return b.drained(groupsLabel, us(env{GroupLimit: 1}), 1, 50, 1000)
}

func (b *bench) drained(label string, v variant, replicas, slots, groups int) error {
	n := b.sizes.tasksFor(v, slots)
	return b.measured(v.system, v.env, replicas, func(r *rig) error {
		if err := r.fill(n, 16, groups); err != nil {
			return err
		}
		if err := r.start(slots, n); err != nil {
			return err
		}
		watch := b.watchLimit(v.env.Limit)
		results, err := r.finish(n)
		if err := errors.Join(err, watch()); err != nil {
			return err
		}
		b.results.add(label, v.row, "tasks/s", rate(n, results))
		return nil
	})
}

// watchLimit samples the number of running tasks until the returned function is called. That
// function fails if a sample was above the limit.
func (b *bench) watchLimit(limit int) func() error {
	if limit == 0 {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() {
		samples := 0
		for ; ctx.Err() == nil; samples++ {
			n, err := b.redis.rdb.HLen(ctx, "lts:{"+namespace+"}:run:"+task.DefaultQueue).Result()
			if n > int64(limit) {
				ended <- fmt.Errorf("%d tasks ran at once with a limit of %d", n, limit)
				return
			}
			if err == nil {
				_ = sleep(ctx, time.Millisecond)
			}
		}
		if samples < 10 {
			ended <- fmt.Errorf("the limit was sampled %d times only", samples)
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
