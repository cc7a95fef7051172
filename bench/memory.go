package main

import "fmt"

var payloadSizes = []int{16, 256, 4096}

func memoryLabel(size int) string {
	return fmt.Sprintf("Redis memory per waiting task, payload %d B", size)
}

// memoryPerTask measures the memory of a waiting task in Redis, with all further keys that the
// system writes. Tasks are enqueued in batches if the system has them. ltsworker has two further
// rows: tasks enqueued one by one, which adds a stream entry for each, and tasks without their
// events, which are trimmed by count and age.
func memoryPerTask(b *bench) error {
	for _, size := range payloadSizes {
		for _, s := range b.chosen("ours", "asynq", "gocraft", bullmq) {
			q := request{Callers: callers}
			if batched(s) {
				q.Batch = 1000
			}
			if err := b.weighed(size, variant{system: s, row: names[s]}, q); err != nil {
				return err
			}
		}
		if !b.systems["ours"] {
			continue
		}
		if err := b.weighed(size, variant{system: "ours", row: names["ours"] + ", one task per call"}, request{Callers: 1}); err != nil {
			return err
		}
		if err := b.weighedWithoutEvents(size); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) weighed(size int, v variant, q request) error {
	n := b.sizes.memory
	return b.measured(v.system, v.env, 1, func(r *rig) error {
		used := func() (float64, error) { return b.redis.info(b.ctx, "memory", "used_memory") }
		// Warm up first, so that connections and scripts exist before the measurement.
		const warm = 50
		if _, err := r.client.ask(request{Op: "enqueue", N: warm, Size: size, Callers: callers}); err != nil {
			return err
		}
		before, err := used()
		if err != nil {
			return err
		}
		q.Op, q.Offset, q.N, q.Size = "enqueue", warm, n, size
		if _, err := r.client.ask(q); err != nil {
			return err
		}
		after, err := used()
		if err != nil {
			return err
		}
		b.results.add(memoryLabel(size), v.row, "B", (after-before)/float64(n))
		if err := r.start(slotsUsed, warm+n); err != nil {
			return err
		}
		_, err = r.finish(warm + n)
		return err
	})
}

func (b *bench) weighedWithoutEvents(size int) error {
	n := b.sizes.memory
	return b.measured("ours", env{}, 0, func(r *rig) error {
		const events = "lts:{" + namespace + "}:events"
		used := func() (float64, error) {
			if err := b.redis.rdb.Del(b.ctx, events).Err(); err != nil {
				return 0, err
			}
			return b.redis.info(b.ctx, "memory", "used_memory")
		}
		if err := r.fill(100, size, 0); err != nil {
			return err
		}
		before, err := used()
		if err != nil {
			return err
		}
		if err := r.fill(n, size, 0); err != nil {
			return err
		}
		after, err := used()
		if err != nil {
			return err
		}
		waiting, err := r.client.ask(request{Op: "pending"})
		if err != nil {
			return err
		}
		if waiting.Pending != 100+n {
			return fmt.Errorf("%d tasks wait, not the %d that were enqueued", waiting.Pending, 100+n)
		}
		b.results.add(memoryLabel(size), names["ours"]+", without its event", "B", (after-before)/float64(n))
		return nil
	})
}
