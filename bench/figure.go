package main

import (
	"fmt"
	"slices"
)

// figure is one kind of measurement. Its run measures one round.
type figure struct {
	name string
	once bool // in the first round only: the figure does not vary, or takes long
	run  func(b *bench) error
}

var figures = []figure{
	{"drain", false, drain},
	{"enqueue", false, enqueueing},
	{"pickup", false, pickUp},
	{"scheduled", false, scheduled},
	{"triggers", false, triggers},
	{"shards", false, shards},
	{"inbox", false, inbox},
	{"persistence", false, persistence},
	{"cluster", false, cluster},
	{"cpu", true, cpuPerTask},
	{instructionsFigure, true, instructions},
	{"memory", true, memoryPerTask},
	{"alloc", true, allocations},
	{"scale", true, scale},
	{"idle", true, idle},
	{"kill", true, kill},
}

func figureNames() []string {
	var ns []string
	for _, f := range figures {
		ns = append(ns, f.name)
	}
	return ns
}

// percentile returns a percentile in ms of latencies in µs.
func percentile(latencies []int64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(latencies))
	if len(sorted) == 0 {
		return 0
	}
	at := int(p / 100 * float64(len(sorted)))
	return float64(sorted[min(at, len(sorted)-1)]) / 1000
}

// latencies adds the rows p50 and p99 of a figure.
func (b *bench) latencies(figure, system string, results []reply) error {
	var all []int64
	for _, r := range results {
		all = append(all, r.Latencies...)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: %s: no latencies", figure, system)
	}
	b.results.add(figure+", p50", system, "ms", percentile(all, 50))
	b.results.add(figure+", p99", system, "ms", percentile(all, 99))
	return nil
}
