package main

import "time"

// sizes are the amounts of work of a run.
type sizes struct {
	rounds int
	tasks  int           // of a drain or an enqueue, for the slower systems; ltsworker gets six times as many
	peak   time.Duration // of the pick-up figure at 1,000 tasks a second
	calm   time.Duration // of the figures at 20 tasks a second
	watch  time.Duration // how long an idle replica is observed
	memory int           // waiting tasks for the memory figure
	cpu    int
	count  int // tasks per phase whose instructions are counted, a multiple of 1,000
	scale  scaleSizes
	shards []int // children of a parent
	quick  bool
}

type scaleSizes struct{ waiting, running, drained int }

var (
	full = sizes{
		rounds: 3, tasks: 10_000, peak: 2 * time.Second, calm: 5 * time.Second, watch: 10 * time.Second,
		memory: 10_000, cpu: 10_000, count: 4_000, scale: scaleSizes{1_000_000, 10_000, 30_000},
		shards: []int{1000, 10_000},
	}
	// quick checks that everything works. Its figures are meaningless.
	quick = sizes{
		rounds: 1, tasks: 200, peak: 200 * time.Millisecond, calm: 500 * time.Millisecond, watch: time.Second,
		memory: 200, cpu: 200, count: 1_000, scale: scaleSizes{2_000, 200, 500}, shards: []int{20}, quick: true,
	}
)

// tasksFor returns a number of tasks that keeps a fast system busy for about as long as a slow one.
// River by default fetches once per 100 ms as many tasks as it has free slots.
func (s sizes) tasksFor(v variant, slots int) int {
	switch {
	case v.system == "river" && !v.env.Tuned:
		return min(s.tasks, 40*slots)
	case v.system == "river", v.system == "asynq", v.system == "gocraft", v.system == bullmq:
		return s.tasks
	}
	return 6 * s.tasks
}
