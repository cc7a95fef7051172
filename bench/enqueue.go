package main

import "errors"

const (
	singleLabel = "enqueue, 50 callers, one at a time"
	batchLabel  = "enqueue, batches of 1,000"
)

// enqueueing measures how fast tasks get into the queue, from calls of single
// tasks and from batches. What was enqueued is then drained, for the check.
func enqueueing(b *bench) error {
	for _, s := range b.chosen(peers...) {
		if err := b.enqueued(singleLabel, s, request{Callers: callers}); err != nil {
			return err
		}
	}
	for _, s := range b.chosen(append(peers, "raw", "floor")...) {
		if !batched(s) {
			continue
		}
		if err := b.enqueued(batchLabel, s, request{Batch: 1000}); err != nil {
			return err
		}
	}
	return nil
}

// checkSlots is how many tasks run at once in the drain that checks.
const checkSlots = 500

func (b *bench) enqueued(label, system string, q request) error {
	q.Op, q.N, q.Size = "enqueue", b.sizes.tasksFor(system, checkSlots), 16
	return b.measured(system, env{}, 1, func(r *rig) error {
		done, err := r.client.ask(q)
		if err != nil {
			return err
		}
		waiting, err := r.client.ask(request{Op: "pending"})
		if err != nil {
			return err
		}
		if waiting.Pending != q.N {
			return errors.New(system + ": it does not hold as many tasks as were enqueued")
		}
		b.results.add(label, names[system], "tasks/s", float64(q.N)/(float64(done.ElapsedNS)/1e9))
		if err := r.start(checkSlots, q.N); err != nil {
			return err
		}
		_, err = r.finish(q.N)
		return err
	})
}
