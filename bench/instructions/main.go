// Instructions prints how many instructions a task costs Redis, phase by phase.
//
//	go run ./instructions                  # a table
//	go run ./instructions -parts           # also the instructions of each Redis command
//	go run ./instructions -functions 25    # also the most expensive functions of the server
//	go run ./instructions -phases drain    # only phases whose names contain this
//	go run ./instructions -tasks 10000     # to compare versions
//
// The names of all functions need a redis-server with symbols; set REDIS_SERVER to
// its program. Without symbols only exported functions have names. These include all
// commands.
//
// The drains of 50 and 200 tasks per call vary by 3 % from run to run with 2,000 tasks, and by
// 0.6 % with 10,000: a drain of few tasks makes few calls, and their number varies.
//
// It needs redis-server 7 or newer, valgrind, and a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ltsworker/ltsworker/bench/count"
)

func main() {
	var o options
	flag.IntVar(&o.tasks, "tasks", 2000, "tasks per phase, a multiple of 1000")
	flag.BoolVar(&o.parts, "parts", false, "list the parts of each phase")
	flag.IntVar(&o.functions, "functions", 0, "list this many functions per phase")
	flag.StringVar(&o.phases, "phases", "", "measure only the phases with this in their names")
	flag.Parse()
	if err := run(context.Background(), o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
}

type options struct {
	tasks, functions int
	parts            bool
	phases           string
}

func run(ctx context.Context, o options, out io.Writer) error {
	phases := slices.DeleteFunc(slices.Clone(count.Phases), func(p count.Phase) bool { return !strings.Contains(p.Name, o.phases) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "phase\tinstructions per task\t\t")
	err := count.Run(ctx, phases, o.tasks, func(r count.Result) error {
		print(w, r, o)
		return nil
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

func print(w io.Writer, r count.Result, o options) {
	n := int64(r.Tasks)
	fmt.Fprintf(w, "%s\t%d\t\t\n", r.Phase.Name, r.PerTask())
	if o.parts {
		for _, p := range r.Profile.Parts() {
			fmt.Fprintf(w, "%s\t%d\t%.2f per call\t\n", p.Name, p.Cost/n, float64(p.Calls)*float64(r.Phase.Batch)/float64(n))
		}
	}
	for _, f := range r.Profile.Heaviest(o.functions) {
		fmt.Fprintf(w, "%s\t%d\t%.1f %%\t\n", f.Name, f.Cost/n, 100*float64(f.Cost)/float64(r.Profile.Total))
	}
}
