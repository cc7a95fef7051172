package main

import (
	"errors"
	"time"
)

const (
	persistSingle = "enqueue, 50 callers, one at a time, by persistence"
	persistBatch  = "enqueue, batches of 1,000, by persistence"
	persistDrain  = "drain, 50 slots, by persistence"
)

// persistence measures the cost of an append-only file for ltsworker. The file is on the disk of
// the temporary folder.
func persistence(b *bench) error {
	if !b.systems["ours"] {
		return nil
	}
	defer b.appendOnly("no", "everysec")
	for _, p := range []struct{ row, on, fsync string }{
		{"no persistence", "no", "everysec"}, {"AOF, everysec", "yes", "everysec"}, {"AOF, always", "yes", "always"},
	} {
		if err := b.appendOnly(p.on, p.fsync); err != nil {
			return err
		}
		n := b.sizes.tasks
		err := b.measured("ours", env{}, 1, func(r *rig) error {
			single, err := r.client.ask(request{Op: "enqueue", N: n, Size: 16, Callers: callers})
			if err != nil {
				return err
			}
			batch, err := r.client.ask(request{Op: "enqueue", N: n, Offset: n, Size: 16, Batch: 1000})
			if err != nil {
				return err
			}
			if err := r.start(slotsUsed, 2*n); err != nil {
				return err
			}
			results, err := r.finish(2 * n)
			if err != nil {
				return err
			}
			b.results.add(persistSingle, p.row, "tasks/s", float64(n)/(float64(single.ElapsedNS)/1e9))
			b.results.add(persistBatch, p.row, "tasks/s", float64(n)/(float64(batch.ElapsedNS)/1e9))
			b.results.add(persistDrain, p.row, "tasks/s", rate(2*n, results))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// appendOnly sets the persistence of the server and waits until it has written its data.
func (b *bench) appendOnly(on, fsync string) error {
	for _, s := range [][2]string{{"appendfsync", fsync}, {"appendonly", on}} {
		if err := b.redis.rdb.ConfigSet(b.ctx, s[0], s[1]).Err(); err != nil {
			return err
		}
	}
	return await(b.ctx, 10*time.Second, func() error {
		busy, err := b.redis.info(b.ctx, "persistence", "aof_rewrite_in_progress")
		if err == nil && busy != 0 {
			err = errors.New("the append-only file is being rewritten")
		}
		return err
	})
}
