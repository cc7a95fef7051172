package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// filterFlags are the flags that select tasks.
type filterFlags struct {
	states, kinds, queues, groups []string
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var((*listFlag)(&f.states), "state", "select tasks in these `STATES`: "+strings.Join(stateNames(), " "))
	flags.Var((*listFlag)(&f.kinds), "kind", "select tasks of these `KINDS`")
	flags.Var((*listFlag)(&f.queues), "queue", "select tasks in these `QUEUES`")
	flags.Var((*listFlag)(&f.groups), "group", "select tasks of these `GROUPS`")
}

// filter builds a filter from the flags and reports all errors in them.
func (f *filterFlags) filter() (task.Filter, error) {
	out := task.Filter{Kinds: f.kinds, Queues: f.queues, Groups: f.groups}
	var problems []string
	for _, s := range f.states {
		if !slices.Contains(stateNames(), s) {
			msg := fmt.Sprintf("--state must be one of %s, not %s", strings.Join(stateNames(), " "), terminal.Quoted(s))
			if meant := spelling.Nearest(s, stateNames()); meant != "" {
				msg += "; did you mean " + meant + "?"
			}
			problems = append(problems, msg)
		}
		out.States = append(out.States, task.State(s))
	}
	for _, names := range []struct {
		flag   string
		values []string
	}{{"--kind", f.kinds}, {"--queue", f.queues}, {"--group", f.groups}} {
		for _, v := range names.values {
			if err := task.CheckName(v); err != nil {
				problems = append(problems, fmt.Sprintf("%s %s %v", names.flag, terminal.Quoted(v), err))
			}
		}
	}
	if len(problems) > 0 {
		return task.Filter{}, usagef("%s", strings.Join(problems, "\n"))
	}
	return out, nil
}

func stateNames() []string { return namesOf(task.States()) }

func namesOf(states []task.State) []string {
	var names []string
	for _, s := range states {
		names = append(names, string(s))
	}
	return names
}
