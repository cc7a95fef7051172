package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// change is a command that changes tasks, given by id or by filter.
type change struct {
	verb, past string
	from       []worker.State // the states it applies to
	do         func(ctx context.Context, p *pool.Pool, f worker.Filter) (int, error)
}

func newStop(g *globals) *cobra.Command {
	var why string
	cmd := changeCommand(g, change{
		verb: "stop", past: "stopped", from: live(),
		do: func(ctx context.Context, p *pool.Pool, f worker.Filter) (int, error) { return p.Stop(ctx, f, why) },
	}, "End live tasks: running handlers are cancelled, the others never start")
	cmd.Flags().StringVar(&why, "why", "", "`TEXT` that is kept with the tasks")
	return cmd
}

func newRetry(g *globals) *cobra.Command {
	return changeCommand(g, change{
		verb: "retry", past: "put back", from: ended(),
		do: func(ctx context.Context, p *pool.Pool, f worker.Filter) (int, error) { return p.Retry(ctx, f) },
	}, "Put ended tasks back into their queues, with fresh attempts")
}

func newDelete(g *globals) *cobra.Command {
	return changeCommand(g, change{
		verb: "delete", past: "deleted", from: ended(),
		do: func(ctx context.Context, p *pool.Pool, f worker.Filter) (int, error) { return p.Delete(ctx, f) },
	}, "Remove ended tasks with everything that belongs to them")
}

func changeCommand(g *globals, ch change, short string) *cobra.Command {
	var (
		f   filterFlags
		yes bool
	)
	cmd := &cobra.Command{
		Use:   ch.verb + " (ID... | --state|--kind|--queue|--group VALUE --yes)",
		Short: short,
		Long: short + `.

Tasks are given by their IDs, or by flags: these are combined with and, the
values of one flag with or. With flags, the number of matching tasks is shown, and
a person at a terminal is asked; --yes does it without asking. Without both nothing
is changed.`,
		Example: fmt.Sprintf("  ltsworker %s 0197f3a2-6c1e-7d3b-8a45-1f2e3d4c5b6a\n  ltsworker %s --state %s --kind email.send --yes", ch.verb, ch.verb, ch.from[len(ch.from)-2]),
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			switch {
			case len(ids) > 0 && !filter.Empty():
				return usagef("give either IDs or flags that select tasks, not both")
			case len(ids) == 0 && filter.Empty():
				return usagef("say which tasks to %s: by ID, or by --state, --kind, --queue or --group", ch.verb)
			}
			if err := checkIDs(ids); err != nil {
				return err
			}
			filter.IDs = ids
			if err := ch.checkStates(filter.States); err != nil {
				return err
			}
			if len(filter.States) == 0 && len(ids) == 0 {
				filter.States = ch.from
			}
			return g.withClient(cmd, func(ctx context.Context, c *client) error {
				return ch.run(ctx, cmd, c, filter, len(ids) > 0, yes)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it where flags select the tasks")
	return cmd
}

// checkStates refuses states that the change cannot apply to.
func (ch change) checkStates(states []worker.State) error {
	for _, s := range states {
		if !slices.Contains(ch.from, s) {
			var names []string
			for _, from := range ch.from {
				names = append(names, string(from))
			}
			return usagef("cannot %s %s tasks, only those that are %s", ch.verb, s, strings.Join(names, " or "))
		}
	}
	return nil
}

// run makes the change. Where flags select the tasks and nobody has agreed yet, a
// person is asked, and whoever is no person refused.
func (ch change) run(ctx context.Context, cmd *cobra.Command, c *client, f worker.Filter, named, yes bool) error {
	total := len(f.IDs)
	// A count is a look at every task: it is made for those who read it.
	if !named && (!yes || isTerminal(cmd.ErrOrStderr())) {
		var err error
		if total, err = countTasks(ctx, c, f); err != nil {
			return err
		}
	}
	if !named && !yes {
		question := count(total, "task") + " would be " + ch.past
		if !canAsk(cmd) {
			return &inputError{errors.New(question + "; nothing was changed: add --yes to do it")}
		}
		if total > 0 {
			if err := confirm(ctx, cmd, question+". Go on?"); err != nil {
				return err
			}
		}
	}
	bar, done := newPatientBar(cmd.ErrOrStderr(), "tasks"), 0
	p, err := c.watched(func(n int) {
		done += n
		bar.set(done, total)
	})
	if err != nil {
		return err
	}
	n, err := ch.do(ctx, p, f)
	bar.clear()
	if n > 0 || err == nil {
		before := ""
		if left := len(f.IDs) - n; err == nil && left > 0 {
			before = fmt.Sprintf("; %d had been %s before", left, ch.past)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s\n", ch.past, count(n, "task"), before)
	}
	return err
}

func countTasks(ctx context.Context, c *client, f worker.Filter) (int, error) {
	n := 0
	for _, err := range c.Tasks(ctx, f) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func live() []worker.State  { return states(false) }
func ended() []worker.State { return states(true) }

// states are those that a task goes on from, or the terminal ones.
func states(terminal bool) []worker.State {
	return slices.DeleteFunc(worker.States(), func(s worker.State) bool { return s.Terminal() != terminal })
}
