package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// report writes the table of results.md.
func report(w io.Writer, machine []string, s sizes, r *results) {
	var out strings.Builder
	out.WriteString("# Side by side\n\n")
	if s.quick {
		out.WriteString("**A smoke run: it proves that everything works, its figures mean nothing.**\n\n")
	}
	fmt.Fprintf(&out, `Written by the program in this folder; main.go says how to repeat it. Each system ran in turn on the same redis-server,
%d rounds interleaved; only those that wait and do nothing (idle, kill) waited side by side, on servers of their own.
Values are medians, the spread is the lowest and the highest round.

Every system runs end to end: a client process enqueues, worker processes of their own run a handler per task and report
its end. A run fails unless every task was handled exactly once and ended by the system's own records. After a kill the
task ran once more; in the loaded pool that holds for the tasks that were started, and the others were still there.

Rows without a remark have the system's defaults. River's defaults wait 100 ms between two fetches, however many tasks
wait; its tuned row is in every comparison.

`, s.rounds)
	for _, l := range machine {
		fmt.Fprintln(&out, "-", l)
	}
	for _, name := range append(slices.Clone(peers), "floor") {
		if v := r.versions[name]; v != "" {
			note := ""
			if t := tuned[name]; t != "" {
				note = "; tuned: " + t
			}
			fmt.Fprintf(&out, "- %s%s\n", v, note)
		}
	}
	var figure string
	for _, row := range r.records() {
		if row.Figure != figure {
			figure = row.Figure
			fmt.Fprintf(&out, "\n## %s\n\n| system | value | spread | ratio | target | |\n| --- | ---: | ---: | ---: | --- | --- |\n", figure)
		}
		ratio, mark := "", ""
		if row.Ratio != nil {
			ratio = number(*row.Ratio)
		}
		if row.Reached != nil {
			mark = "**missed**"
			if *row.Reached {
				mark = "reached"
			}
		}
		fmt.Fprintf(&out, "| %s | %s %s | %s – %s | %s | %s | %s |\n",
			row.System, number(row.Value), row.Unit, number(row.Low), number(row.High), ratio, row.Target, mark)
	}
	io.WriteString(w, out.String())
}

// number formats a value with three digits and separated thousands.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		s := fmt.Sprintf("%.0f", v)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
