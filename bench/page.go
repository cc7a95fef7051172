package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The figures in docs/performance.md are between these lines. A full run replaces them, so that the
// page and results.md have the figures of the same run.
const (
	figuresBegin = "<!-- figures: written by make bench -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// writePage replaces the figures of the page.
func writePage(path string, r *results) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(figuresBegin))
	_, after, ended := bytes.Cut(rest, []byte(figuresEnd))
	if !ok || !ended {
		return fmt.Errorf("%s needs the lines %q and %q, between which the figures are written", path, figuresBegin, figuresEnd)
	}
	text := slices.Concat(before, []byte(figuresBegin), []byte(summary(r)+missed(r.records())), []byte(figuresEnd), after)
	return os.WriteFile(path, text, 0o644)
}

// summary returns the table at the top of the page: a few figures, with a column per row of a
// comparison.
func summary(r *results) string {
	columns := comparisons("ours", "asynq", "gocraft", bullmq, "river")
	var out strings.Builder
	out.WriteString("\n|")
	for _, c := range columns {
		out.WriteString(" | " + c.row)
	}
	out.WriteString(" |\n| ---" + strings.Repeat(" | ---:", len(columns)) + " |\n")
	for _, row := range []struct{ title, figure string }{
		{"no-op tasks, 10 slots, tasks/s", drainLabel(10)},
		{"no-op tasks, 50 slots, tasks/s", drainLabel(50)},
		{"no-op tasks, 200 slots, tasks/s", drainLabel(200)},
		{"enqueue, 50 callers, one at a time, tasks/s", singleLabel},
		{"enqueue, batches of 1,000, tasks/s", batchLabel},
		{"pick-up when idle, p50, ms", idleLabel + ", p50"},
		{"pick-up when idle, p99, ms", idleLabel + ", p99"},
		{"pick-up at 1,000/s, p50, ms", busyLabel + ", p50"},
		{"pick-up at 1,000/s, p99, ms", busyLabel + ", p99"},
		{"scheduled, lateness, p99, ms", scheduledLabel + ", p99"},
		{"trigger, lateness, p99, ms", triggerLabel + ", p99"},
		{"50 slots, a rate that never blocks, tasks/s", rateLabel},
		{"50 slots, tasks with a label, tasks/s", labelLabel},
		{"1,000 shards, until their parent has ended, shards/s", shardsLabel(1000)},
		{"10,000 shards, until their parent has ended, shards/s", shardsLabel(10_000)},
		{"Redis CPU per task, enqueue to done, µs", processLabel},
		{"Redis memory per waiting task, 16 B, B", memoryLabel(16)},
		{"Redis memory per waiting task, 256 B, B", memoryLabel(256)},
		{"Redis memory per waiting task, 4 KiB, B", memoryLabel(4096)},
		{"allocations per task in the worker", allocLabel},
	} {
		out.WriteString("| " + row.title)
		for _, c := range columns {
			cell := "–"
			if v, ok := r.median(key{row.figure, c.row}); ok {
				cell = number(v)
			}
			out.WriteString(" | " + cell)
		}
		out.WriteString(" |\n")
	}
	fmt.Fprintf(&out, `
Every system has its defaults. *River, tuned* has %s.
With its defaults River waits 100 ms between two fetches, so its figures measure that pause and not its speed.

`, tuned["river"])
	return out.String()
}

// missed lists the targets that were not reached.
func missed(rows []record) string {
	var out strings.Builder
	all, short := 0, 0
	for _, row := range rows {
		if row.Reached == nil {
			continue
		}
		all++
		if *row.Reached {
			continue
		}
		if short++; short == 1 {
			out.WriteString("| figure | row | target | measured |\n| --- | --- | --- | ---: |\n")
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", row.Figure, row.System, row.Target, number(*row.Ratio))
	}
	head := fmt.Sprintf("This run reached %d of the project's %d targets.", all-short, all)
	if short > 0 {
		head += " It missed these; the last column is the measured value of what the target bounds:"
	}
	return head + "\n\n" + out.String() + "\n"
}
