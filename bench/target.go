package main

import (
	"fmt"

	"github.com/ltsworker/ltsworker/bench/count"
)

// target is a bound for a row: value, or value divided by over if over is set, must be at least or
// at most the bound.
type target struct {
	value, over key
	atLeast     bool
	bound       float64
	text        string
}

func (t target) reached(ratio float64) bool {
	if t.atLeast {
		return ratio >= t.bound
	}
	return ratio <= t.bound
}

// targets maps rows to their targets. A comparison with a peer is at the peer's row.
var targets = func() targetSet {
	ts := targetSet{}
	for _, d := range []struct {
		slots                  int
		asynq, gocraft, bullmq float64
	}{{10, 3, 1.5, 3}, {50, 5, 3, 5}, {200, 7, 4, 6}} {
		label := drainLabel(d.slots)
		ts.ahead(label, names["asynq"], d.asynq)
		ts.ahead(label, names["gocraft"], d.gocraft)
		ts.ahead(label, names[bullmq], d.bullmq)
		ts.ahead(label, names["raw"], 0.5)
		ts.ahead(label, names["raw2"], 0.5)
	}
	us := names["ours"]
	ts.against(key{limitLabel, us}, key{fourLabel, us}, true, 0.8, "≥ 0.8 × the same without a limit")
	ts.against(key{rateLabel, us}, key{drainLabel(50), us}, true, 0.9, "≥ 0.9 × the same without a rate")
	ts.ahead(rateLabel, names[bullmq], 1)
	ts.against(key{labelLabel, us}, key{drainLabel(50), us}, true, 0.8, "≥ 0.8 × the same without labels")
	ts.against(key{groupsLabel, us}, key{drainLabel(50), us}, true, 0.6, "≥ 0.6 × the same without groups")
	ts.ahead(singleLabel, names["asynq"], 3)
	ts.ahead(singleLabel, names["gocraft"], 2)
	ts.ahead(batchLabel, names[bullmq], 4)
	for _, peer := range []string{"asynq", "river", bullmq} {
		ts.below(triggerLabel+", p99", names[peer], 1)
	}
	for _, n := range full.shards {
		ts.ahead(shardsLabel(n), names[bullmq], 1)
	}
	ts.below(processLabel, names["asynq"], 0.3)
	ts.below(processLabel, names[bullmq], 0.3)
	ts.within(instructionsLabel, count.EnqueueName(1000), 22_000, "")
	ts.within(instructionsLabel, count.DrainName(1), 400_000, "")
	ts.within(instructionsLabel, count.DrainName(50), 40_000, "")
	ts.within(instructionsLabel, count.DrainName(200), 35_000, "")
	ts.below(memoryLabel(16), names["asynq"], 0.7)
	for _, size := range []int{256, 4096} {
		ts.below(memoryLabel(size), names["asynq"], 1)
		ts.below(memoryLabel(size), names[bullmq], 1)
	}
	for _, label := range []string{scaleEnqueue, scaleDrain, scaleCPU} {
		ts.against(key{label, loadedRow}, key{label, emptyRow}, false, 1.3, "≤ 1.3 × the empty pool")
	}
	ts.within(scaleLongest, loadedRow, 10, "ms")
	ts.within(allocLabel, us, 10, "allocations")
	for row, f := range before {
		ts.within(row.figure, row.system, f.value, f.unit+", as before schema 2")
	}
	return ts
}()

type targetSet map[key]target

// ahead sets the target that ltsworker is at least bound times the other.
func (ts targetSet) ahead(figure, system string, bound float64) {
	row := key{figure, system}
	ts[row] = target{key{figure, names["ours"]}, row, true, bound, fmt.Sprintf("ltsworker ≥ %g × this", bound)}
}

// below sets the target that ltsworker is at most bound times the other.
func (ts targetSet) below(figure, system string, bound float64) {
	row := key{figure, system}
	ts[row] = target{key{figure, names["ours"]}, row, false, bound, fmt.Sprintf("ltsworker ≤ %g × this", bound)}
}

// within sets the target that the row's own value is at most the bound.
func (ts targetSet) within(figure, row string, bound float64, unit string) {
	k := key{figure, row}
	text := "≤ " + bounded(bound)
	if unit != "" {
		text += " " + unit
	}
	ts[k] = target{k, key{}, false, bound, text}
}

// against sets a target for a row of ltsworker compared with another of its rows.
func (ts targetSet) against(row, over key, atLeast bool, bound float64, text string) {
	ts[row] = target{row, over, atLeast, bound, text}
}

// bounded formats a bound without meaningless digits.
func bounded(v float64) string {
	if v >= 1000 {
		return number(v)
	}
	return fmt.Sprintf("%g", v)
}
