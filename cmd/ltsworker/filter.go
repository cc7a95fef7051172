package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// filterFlags are the flags that select tasks.
type filterFlags struct {
	states, kinds, queues, groups, replicas []string
	labels                                  []string
	hold                                    bool
	parent                                  textFlag
	unique                                  textFlag
	text                                    textFlag     // in the error, in any case
	older                                   durationFlag // than this
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var((*listFlag)(&f.states), "state", "select tasks in these `STATES`: "+strings.Join(stateNames(), " "))
	flags.Var((*listFlag)(&f.kinds), "kind", "select tasks of these `KINDS`")
	flags.Var((*listFlag)(&f.queues), "queue", "select tasks in these `QUEUES`")
	flags.Var((*listFlag)(&f.groups), "group", "select tasks of these `GROUPS`")
	flags.Var((*listFlag)(&f.labels), "label", "select tasks that have all of these `LABELS`")
	flags.Var((*listFlag)(&f.replicas), "replica", "select tasks that these `REPLICAS` run or ran last")
	flags.BoolVar(&f.hold, "hold", false, "select tasks on hold")
	flags.Var(&f.parent, "parent", "select the children of the parent with this `ID`")
	flags.Var(&f.unique, "unique", "select tasks with the unique `KEY`, as it was enqueued or as it is shown")
	flags.Var(&f.text, "error", "select tasks whose error contains `TEXT`, in upper or lower case")
	flags.Var(&f.older, "older", "select tasks that were made longer than `DURATION` ago")
}

// empty reports whether no flag is set.
func (f *filterFlags) empty() bool {
	return len(f.states)+len(f.kinds)+len(f.queues)+len(f.groups)+len(f.labels)+len(f.unique)+len(f.parent) == 0 && !f.hold && !f.perTask()
}

// onlyUnique reports whether a unique key is the only flag.
func (f *filterFlags) onlyUnique() bool {
	rest := *f
	rest.unique = ""
	return f.unique != "" && rest.empty()
}

// perTask reports whether a flag is set that is not in the filter: selects checks it for each task.
func (f *filterFlags) perTask() bool { return len(f.replicas)+len(f.text) > 0 || f.older.set }

// selects reports whether the flags select a task that matches their filter. now is the time of
// Redis.
func (f *filterFlags) selects(t *task.Task, now time.Time) bool {
	return strings.Contains(strings.ToLower(t.Error), strings.ToLower(string(f.text))) && (!f.older.set || now.Sub(t.CreatedAt) > f.older.value) &&
		(len(f.replicas) == 0 || slices.Contains(f.replicas, t.Replica))
}

// matching returns the ids of the tasks that the flags select. f is their filter.
func (f *filterFlags) matching(ctx context.Context, c *client.Client, p *pool.Pool, filter task.Filter) ([]string, error) {
	now, err := c.Now(ctx)
	if err != nil {
		return nil, err
	}
	return client.Matching(ctx, p, filter, func(t *task.Task) bool { return f.selects(t, now) })
}

// filter builds a filter from the flags and reports all errors in them.
func (f *filterFlags) filter() (task.Filter, error) {
	out := task.Filter{Kinds: f.kinds, Queues: f.queues, Groups: f.groups, Labels: f.labels, Hold: f.hold, Parent: string(f.parent)}
	if f.unique != "" {
		out.Unique = []string{string(f.unique)}
	}
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
	}{{"--kind", f.kinds}, {"--queue", f.queues}, {"--group", f.groups}, {"--parent", parents(f.parent)}} {
		for _, v := range names.values {
			if err := task.CheckName(v); err != nil {
				problems = append(problems, fmt.Sprintf("%s %s %v", names.flag, terminal.Quoted(v), err))
			}
		}
	}
	for _, l := range f.labels {
		if err := task.CheckLabel(l); err != nil {
			problems = append(problems, fmt.Sprintf("--label %v", err))
		}
	}
	if len(problems) > 0 {
		return task.Filter{}, usagef("%s", strings.Join(problems, "\n"))
	}
	return out, nil
}

// parents is the id of a parent as a list, empty for none.
func parents(id textFlag) []string {
	if id == "" {
		return nil
	}
	return []string{string(id)}
}

func stateNames() []string { return namesOf(task.States()) }

func namesOf(states []task.State) []string {
	var names []string
	for _, s := range states {
		names = append(names, string(s))
	}
	return names
}
