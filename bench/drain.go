package main

import "fmt"

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
		results, err := r.finish(n)
		if err != nil {
			return err
		}
		b.results.add(label, row, "tasks/s", rate(n, results))
		return nil
	})
}
