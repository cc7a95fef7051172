package main

const (
	commandLabel = "Redis time per task by commandstats, enqueue to done"
	processLabel = "Redis CPU per task by INFO cpu, enqueue to done"
)

// cpuPerTask measures the cost of a task in Redis, from a single call that enqueues it, by 50
// concurrent callers, to its end in one of 50 slots. It measures the time in commands and the time
// of the whole process, which adds reading, parsing and answering.
func cpuPerTask(b *bench) error {
	for _, s := range b.chosen("ours", "asynq", "gocraft", bullmq) {
		// A small run under MONITOR counts which commands come from clients and
		// which from scripts.
		var seen calls
		err := b.measured(s, env{}, 1, func(r *rig) error {
			stop, err := b.redis.monitor()
			if err != nil {
				return err
			}
			err = r.lifecycle(200)
			seen, _ = stop()
			return err
		})
		if err != nil {
			return err
		}
		n := b.sizes.cpu
		err = b.measured(s, env{}, 1, func(r *rig) error {
			if err := b.redis.rdb.ConfigResetStat(b.ctx).Err(); err != nil {
				return err
			}
			before, err := b.redis.cpu(b.ctx)
			if err != nil {
				return err
			}
			if err := r.lifecycle(n); err != nil {
				return err
			}
			after, err := b.redis.cpu(b.ctx)
			if err != nil {
				return err
			}
			commands, err := b.redis.commandTime(b.ctx, seen.sentShare)
			if err != nil {
				return err
			}
			b.results.add(commandLabel, names[s], "µs", commands/float64(n))
			b.results.add(processLabel, names[s], "µs", (after-before)*1e6/float64(n))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lifecycle runs n tasks from single enqueues to their end.
func (r *rig) lifecycle(n int) error {
	if _, err := r.client.ask(request{Op: "enqueue", N: n, Size: 16, Callers: callers}); err != nil {
		return err
	}
	if err := r.start(slotsUsed, n); err != nil {
		return err
	}
	_, err := r.finish(n)
	return err
}
