package main

import "github.com/ltsworker/ltsworker/bench/count"

const (
	instructionsFigure = "instructions"
	instructionsLabel  = "Redis instructions per task"
)

// instructions counts the cost of the scripts in Redis per task, by phase.
func instructions(b *bench) error {
	if !b.systems["ours"] {
		return nil
	}
	return count.Run(b.ctx, count.Phases, b.sizes.count, func(r count.Result) error {
		b.results.add(instructionsLabel, r.Phase.Name, "", float64(r.PerTask()))
		return nil
	})
}
