package main

import (
	"context"

	"github.com/ltsworker/ltsworker/pool"
)

func shardsLabel(n int) string { return "fan-out and fan-in, " + bounded(float64(n)) + " shards" }

// fanner is a system in which a parent ends when its children have ended.
type fanner interface {
	// Fan enqueues a parent with n children, whose handlers get the numbers from 0, and returns
	// when the parent has ended.
	Fan(ctx context.Context, n int) error
}

// shards measures how many children per second an idle replica runs, from the enqueue of their parent
// until the caller learns that this has ended. asynq, gocraft/work and River have no parents; the
// workflows of River are part of its paid edition.
func shards(b *bench) error {
	for _, n := range b.sizes.shards {
		for _, v := range b.compared("ours", bullmq) {
			err := b.measured(v.system, v.env, 1, func(r *rig) error {
				if err := r.start(slotsUsed, n); err != nil {
					return err
				}
				p, err := r.client.ask(request{Op: "fan", N: n})
				if err != nil {
					return err
				}
				if _, err := r.finish(n); err != nil {
					return err
				}
				b.results.add(shardsLabel(n), v.row, "shards/s", float64(n)/(float64(p.ElapsedNS)/1e9))
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *ours) Fan(ctx context.Context, n int) error {
	r, err := o.client.Enqueue(ctx, item{}.args(), pool.Shards(n))
	if err != nil {
		return err
	}
	_, err = o.client.WaitTask(ctx, r.ID)
	return err
}
