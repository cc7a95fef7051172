package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// change is a command that changes tasks, given by id or by filter.
type change struct {
	verb, past string
	from       []task.State // the states it applies to
	do         func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error)
	check      func(cmd *cobra.Command) error // checks and reads its own flags; may be nil
	drops      bool                           // not all changed tasks are kept: see client.Dropped
	example    string                         // flags of its own in its examples
	bulk       bool                           // --unique alone selects all tasks with the key, not the live or last one
	more       string                         // its part of the help, after the part that all changes share
}

func newStop(g *globals) *cobra.Command {
	var why string
	cmd := changeCommand(g, change{
		verb: "stop", past: "stopped", from: pool.LiveStates(),
		do: func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error) { return p.Stop(ctx, f, why) },
		check: func(*cobra.Command) error {
			if len(why) > task.MaxErrorLen {
				return usagef("--why is %d bytes long; the limit is %d", len(why), task.MaxErrorLen)
			}
			if !utf8.ValidString(why) {
				return usagef("--why must be valid UTF-8")
			}
			return nil
		},
		drops: true,
		more: fmt.Sprintf(`

A running task is asked to stop. It ends when its handler has ended: wait shows this. In
the output of --json, "asked" is how many of the changed tasks ran.

Of the stopped tasks the newest %d are kept; tasks that are kept forever do not
count. If one stop exceeds this number, the question and the output say about how many
tasks are not kept. In the output of --json this is "dropped".`, task.RetainNewest),
	}, "Stop live tasks: running handlers are cancelled, other tasks never start")
	cmd.Flags().StringVar(&why, "why", "", "reason: a `TEXT` that is kept with the tasks")
	return cmd
}

func newRetry(g *globals) *cobra.Command {
	var e editFlags
	cmd := changeCommand(g, change{
		verb: "retry", past: "put back", from: pool.EndedStates(),
		do: func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error) {
			return p.RetryWith(ctx, f, e.edit)
		},
		check: e.read,
		more: `

--priority and --payload give the tasks another priority and another payload.

A task whose result is staged, because its export has failed or was stopped, is exported
again and does not run. --rerun, or a payload, drops that result: the task runs again.

A parent runs those of its shards again that have not succeeded, or all of them if it has
succeeded. --all-shards runs all of them.`,
	}, "Put ended tasks back into their queues, with fresh attempts")
	e.add(cmd)
	cmd.Flags().BoolVar(&e.edit.AllShards, "all-shards", false, "run all shards of parents again")
	cmd.Flags().BoolVar(&e.edit.Rerun, "rerun", false, "run tasks whose result is staged again, instead of exporting the result")
	return cmd
}

func newChange(g *globals) *cobra.Command {
	var e editFlags
	cmd := changeCommand(g, change{
		verb: "change", past: "changed", from: []task.State{task.Scheduled, task.Waiting}, example: " --priority 5",
		do: func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error) { return p.Change(ctx, f, e.edit) },
		check: func(cmd *cobra.Command) error {
			if err := e.read(cmd); err != nil {
				return err
			}
			if e.edit.Empty() {
				return usagef("say what to change: --priority or --payload")
			}
			return nil
		},
		more: `

A task with a new priority takes a position behind the tasks that have this priority. A
task that has this priority already keeps its position. The state of a task stays, so
there is no event. Tasks that run or have ended are refused.`,
	}, "Give waiting and scheduled tasks another priority or payload")
	e.add(cmd)
	return cmd
}

func newRunNow(g *globals) *cobra.Command {
	cmd := changeCommand(g, change{
		verb: "run-now", past: "queued", from: []task.State{task.Scheduled},
		do: func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error) { return p.RunNow(ctx, f) },
		more: `

A scheduled task is on hold, or waits for its delay, its run-at time or its next
attempt. --hold selects tasks on hold. A task gets the position in its queue that it
would get when it is due. Priorities, limits, pauses, TTL and deadline apply as to other
waiting tasks.`,
	}, "Put scheduled tasks into their queues before they are due, and start tasks on hold")
	cmd.Aliases = []string{"start"}
	return cmd
}

func newDelete(g *globals) *cobra.Command {
	return changeCommand(g, change{
		verb: "delete", past: "deleted", from: pool.EndedStates(), bulk: true,
		do: func(ctx context.Context, p *pool.Pool, f task.Filter) (int, error) { return p.Delete(ctx, f) },
	}, "Remove ended tasks with everything that belongs to them")
}

func changeCommand(g *globals, ch change, short string) *cobra.Command {
	var (
		f           filterFlags
		yes, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   ch.verb + " (ID... | --FLAG VALUE... --yes)",
		Short: short,
		Long: short + `.

Select tasks by their IDs, or by the flags of ls that select tasks. They select the
tasks that match every flag. A task matches a flag if it matches one of its values.
With flags, the command shows the number of matching tasks and asks for confirmation
at a terminal. A yes applies to these tasks, not to tasks that match later. --yes skips
the question. Without a terminal the command changes nothing unless --yes is set. In
the output of --json, "action" is the change, "tasks" the number of changed tasks, and
"before" the number of tasks that needed no change.` + ch.byKey() + ch.more,
		Example: fmt.Sprintf("  ltsworker %s 0355jpBzXQroC5gade35IA%s\n  ltsworker %s --state %s --kind email.send%s --yes", ch.verb, ch.example, ch.verb, ch.from[max(len(ch.from)-2, 0)], ch.example),
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			switch {
			case len(ids) > 0 && !f.empty():
				return usagef("give either IDs or flags that select tasks, not both")
			case len(ids) == 0 && f.empty():
				return usagef("say which tasks to %s: by ID, or by --state, --kind, --queue, --group, --replica, --parent, --unique, --error or --older", ch.verb)
			}
			if err := checkIDs(ids); err != nil {
				return err
			}
			if ch.check != nil {
				if err := ch.check(cmd); err != nil {
					return err
				}
			}
			filter.IDs = client.Distinct(ids)
			if err := ch.checkStates(filter.States); err != nil {
				return err
			}
			if len(filter.States) == 0 && len(ids) == 0 {
				filter.States = ch.from
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if f.onlyUnique() && !ch.bulk {
					t, err := c.ByUnique(ctx, string(f.unique))
					if err != nil {
						return err
					}
					return ch.run(ctx, cmd, c, &f, task.Filter{IDs: []string{t.ID}}, true, yes, asJSON)
				}
				return ch.run(ctx, cmd, c, &f, filter, len(ids) > 0, yes, asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "change the tasks that flags select without asking")
	addJSON(cmd, &asJSON)
	return cmd
}

// byKey is the part of the help about --unique.
func (ch change) byKey() string {
	if ch.bulk {
		return ""
	}
	return `

--unique KEY without other such flags is like an ID: it is that of the live task with the
key or, if there is none, of the task with the key that ended last. That task is found
among the 10,000 ended tasks of each state that are kept longest.`
}

// checkStates refuses states that the change cannot apply to.
func (ch change) checkStates(states []task.State) error {
	for _, s := range states {
		if !slices.Contains(ch.from, s) {
			return usagef("cannot %s %s tasks, only those that are %s", ch.verb, s, strings.Join(namesOf(ch.from), " or "))
		}
	}
	return nil
}

// run makes the change. If flags select the tasks and --yes is not set, it asks for confirmation on
// the terminal first. Without a terminal it returns an error.
func (ch change) run(ctx context.Context, cmd *cobra.Command, c *client.Client, flags *filterFlags, f task.Filter, named, yes, asJSON bool) error {
	bar, done, total := terminal.NewBar(cmd.ErrOrStderr(), checkedTasks), 0, len(f.IDs)
	var count changeCount
	defer bar.Clear()
	scan, err := newScan(ctx, c, f, bar)
	if err != nil {
		return err
	}
	p, err := c.WatchedClosely(func(n int) {
		if done == 0 { // all tasks have been compared with the filter
			bar.SwitchTo("tasks")
		}
		done += n
		bar.Set(done, total)
	}, scan.set, func() { total++ }, count.stops)
	if err != nil {
		return err
	}
	if !named && (!yes || flags.perTask()) {
		ids, err := flags.matching(ctx, c, p, f)
		if err != nil {
			return err
		}
		question := terminal.Count(len(ids), "task") + " would be " + ch.past + ch.loss(len(ids))
		if !yes && !terminal.CanAsk(cmd.InOrStdin(), cmd.ErrOrStderr()) {
			return &inputError{errors.New(question + "; nothing was changed: add --yes to do it")}
		}
		if len(ids) == 0 {
			return ch.print(cmd.OutOrStdout(), changeCount{}, asJSON)
		}
		if !yes {
			err := bar.Exclude(func() error { return terminal.Confirm(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), question+". Go on?") })
			if err != nil {
				return err
			}
		}
		// Tasks that match only now were not part of the question.
		f.IDs, total = ids, 0
		scan.begin(len(ids))
	}
	n, err := ch.do(ctx, p, f)
	bar.Clear()
	if n == 0 && err != nil {
		return err
	}
	count.tasks = n
	if err == nil && named {
		count.before = len(f.IDs) - n - count.askedBefore
	}
	return errors.Join(err, ch.print(cmd.OutOrStdout(), count, asJSON))
}

// changeCount is the number of tasks that a change has handled.
type changeCount struct {
	tasks       int // changed
	asked       int // of these, running tasks that were asked to stop
	before      int // needed no change
	askedBefore int // running tasks that had been asked to stop before
}

// stops adds the running tasks of a batch of stops to the counts.
func (n *changeCount) stops(changes []task.Change) {
	for _, c := range changes {
		switch {
		case c.State != task.Running:
		case c.Done:
			n.asked++
		default:
			n.askedBefore++
		}
	}
}

// changeRecord is what a change did in JSON output.
type changeRecord struct {
	Action  string `json:"action"`
	Tasks   int    `json:"tasks"`
	Asked   int    `json:"asked,omitempty"` // of these, running tasks that were asked to stop
	Before  int    `json:"before"`
	Dropped int    `json:"dropped,omitempty"`
}

// loss returns the part of a message that says how many of n tasks are not kept, "" for
// none.
func (ch change) loss(n int) string {
	if !ch.drops {
		return ""
	}
	return client.Loss(n)
}

// print prints how many tasks were changed, and how many needed no change.
func (ch change) print(out io.Writer, n changeCount, asJSON bool) error {
	if asJSON {
		r := changeRecord{Action: ch.verb, Tasks: n.tasks, Asked: n.asked, Before: n.before + n.askedBefore}
		if ch.drops {
			r.Dropped = client.Dropped(n.tasks)
		}
		return terminal.WriteJSON(out, r)
	}
	var parts []string
	if n.tasks > n.asked || n.asked+n.askedBefore == 0 {
		parts = append(parts, ch.past+" "+terminal.Count(n.tasks-n.asked, "task"))
	}
	if n.asked > 0 {
		parts = append(parts, "asked "+terminal.Count(n.asked, "running task")+" to stop")
	}
	if n.before > 0 {
		parts = append(parts, fmt.Sprintf("%d had been %s before", n.before, ch.past))
	}
	if n.askedBefore > 0 {
		parts = append(parts, terminal.Count(n.askedBefore, "running task")+" had been asked to stop before")
	}
	_, err := fmt.Fprintf(out, "%s%s\n", strings.Join(parts, "; "), ch.loss(n.tasks))
	return err
}
