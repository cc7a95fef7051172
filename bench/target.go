package main

import "fmt"

// target is what a row has to reach: value, or value divided by over where there
// is an over, is at least or at most a bound.
type target struct {
	value, over place
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

// targets by the row that shows them. A comparison with a peer stands at the
// peer's row.
var targets = func() map[place]target {
	ts := map[place]target{}
	us := names["ours"]
	add := func(row place, t target) { ts[row] = t }
	// ahead: ours is at least so many times the other.
	ahead := func(figure, system string, bound float64) {
		row := place{figure, system}
		add(row, target{place{figure, us}, row, true, bound, fmt.Sprintf("ltsworker ≥ %g × this", bound)})
	}
	// below: ours is at most so many times the other.
	below := func(figure, system string, bound float64) {
		row := place{figure, system}
		add(row, target{place{figure, us}, row, false, bound, fmt.Sprintf("ltsworker ≤ %g × this", bound)})
	}
	// within: our own value is at most the bound.
	within := func(figure, row string, bound float64, unit string) {
		p := place{figure, row}
		add(p, target{p, place{}, false, bound, fmt.Sprintf("≤ %g %s", bound, unit)})
	}
	// against: our row compared with another of ours.
	against := func(row, over place, atLeast bool, bound float64, text string) {
		add(row, target{row, over, atLeast, bound, text})
	}

	for _, slots := range []int{10, 50, 200} {
		label := drainLabel(slots)
		ahead(label, names["asynq"], 8)
		ahead(label, names[bullmq], 4)
		if slots >= 50 {
			ahead(label, names["gocraft"], 3)
			ahead(label, names["river"], 3)
		}
		ahead(label, names["raw"], 0.8)
	}
	against(place{limitLabel, us}, place{fourLabel, us}, true, 0.8, "≥ 0.8 × the same without a limit")
	against(place{groupsLabel, us}, place{drainLabel(50), us}, true, 0.5, "≥ 0.5 × the same without groups")
	ahead(singleLabel, names["asynq"], 3)
	ahead(singleLabel, names["gocraft"], 2)
	ahead(batchLabel, names["raw"], 0.7)
	for _, label := range []string{idleLabel, busyLabel} {
		within(label+", p50", us, 1, "ms")
		within(label+", p99", us, 3, "ms")
		below(label+", p50", names[bullmq], 1)
		below(label+", p99", names[bullmq], 1)
	}
	within(scheduledLabel+", p99", us, 5, "ms")
	within(inboxLabel+", p99", us, 10, "ms")
	for _, s := range []string{names["asynq"], names[bullmq]} {
		below(commandLabel, s, 0.5)
		below(processLabel, s, 0.5)
		for _, size := range payloadSizes {
			below(memoryLabel(size), s, 1)
		}
	}
	within(commandsLabel, us, 1, "commands/s")
	for _, label := range []string{scaleEnqueue, scaleDrain, scaleCPU} {
		against(place{label, loadedRow}, place{label, emptyRow}, false, 1.3, "≤ 1.3 × the empty pool")
	}
	within(killLabel, us+", lease 5 s", 6, "s")
	return ts
}()
