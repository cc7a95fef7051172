package main

const (
	allocLabel = "allocations per task in the replica"
	bytesLabel = "bytes allocated per task in the replica"
)

// allocations counts the allocations of a worker process per task, from start to finish of a drain
// with 50 slots. The handler allocates nothing. The handlers of ltsworker and of asynq get the
// payload undecoded.
func allocations(b *bench) error {
	for _, v := range b.compared("ours", "asynq", "gocraft", "river") {
		n := b.sizes.tasksFor(v, slotsUsed)
		v.env.Untyped = true
		err := b.measured(v.system, v.env, 1, func(r *rig) error {
			if err := r.fill(n, 16, 0); err != nil {
				return err
			}
			if err := r.start(slotsUsed, n); err != nil {
				return err
			}
			results, err := r.finish(n)
			if err != nil {
				return err
			}
			b.results.add(allocLabel, v.row, "allocations", float64(results[0].Mallocs)/float64(n))
			b.results.add(bytesLabel, v.row, "B", float64(results[0].Bytes)/float64(n))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
