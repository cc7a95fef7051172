package main

import (
	"fmt"
	"slices"
)

const (
	singleLabel = "enqueue, 50 callers, one at a time"
	batchLabel  = "enqueue, batches of 1,000"
)

// enqueueing measures how fast tasks get into the queue, by calls with single tasks and by batches.
// The tasks are then drained as a check.
func enqueueing(b *bench) error {
	for _, v := range b.compared(peers...) {
		if err := b.enqueued(singleLabel, v, request{Callers: callers}); err != nil {
			return err
		}
	}
	for _, v := range b.compared(append(slices.Clone(peers), "raw", "floor")...) {
		if !batched(v.system) {
			continue
		}
		if err := b.enqueued(batchLabel, v, request{Batch: 1000}); err != nil {
			return err
		}
	}
	return nil
}

// checkSlots is how many tasks run at once in the drain for the check. It is the largest claim of
// the raw drive.
const checkSlots = 250

func (b *bench) enqueued(label string, v variant, q request) error {
	q.Op, q.N, q.Size = "enqueue", b.sizes.tasksFor(v, checkSlots), 16
	return b.measured(v.system, v.env, 1, func(r *rig) error {
		done, err := r.client.ask(q)
		if err != nil {
			return err
		}
		waiting, err := r.client.ask(request{Op: "pending"})
		if err != nil {
			return err
		}
		if waiting.Pending != q.N {
			return fmt.Errorf("%s: %d tasks were enqueued and it holds %d", v.system, q.N, waiting.Pending)
		}
		b.results.add(label, v.row, "tasks/s", float64(q.N)/(float64(done.ElapsedNS)/1e9))
		if err := r.start(checkSlots, q.N); err != nil {
			return err
		}
		_, err = r.finish(q.N)
		return err
	})
}
