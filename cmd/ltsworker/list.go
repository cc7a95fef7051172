package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newList(g *globals) *cobra.Command {
	l := listing{}
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List tasks",
		Long: `List live tasks, and ended tasks that are still kept. A task is listed if it matches
every flag. It matches a flag if it matches one of its values, which are separated by
commas or given by repeating the flag. Of --label it must have all. The order is by
state, and within a state by position, due time or end.

Ages are counted by the clock of Redis. Redis itself compares --kind, --queue, --group
and --label. For the other filters every task of the selected states is transferred, except
for --unique of live tasks. UNIQUE shows a unique key that is no name, such as a URL, as
"#" and a hash. --unique takes the text or this form.

Columns: ` + strings.Join(columnNames(), " ") + `.
RUNNING is the time since the start of a running attempt, REPLICA the replica that
runs the task or ran it last, SLOW the time since the running attempt passed its soft
timeout. NOTE begins with "slow" for such a task. CODE, ERROR and, after "last:", NOTE
of a live task are those of its last ended attempt. DUE is shown until a task starts.
PARAM is the parameter of a shard, of a broadcast the id of its replica.
--sort with a minus before the column (--sort=-age) sorts downwards. Tasks without a
value are last. It reads all tasks before it prints the first one.`,
		Example: `  ltsworker ls --state running
  ltsworker ls --state running --sort=-running --columns id,replica,running
  ltsworker ls --state failed --error "connection refused" --older 1h
  ltsworker ls --state failed --kind email.send,email.digest --limit 0 --json`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error { return l.run(ctx, cmd, c) })
		},
	}
	l.add(cmd)
	return cmd
}

// listing is one list of tasks.
type listing struct {
	flags   filterFlags
	columns []string
	sort    textFlag
	limit   int
	asJSON  bool

	filter task.Filter
	shown  []column
	order  func(a, b *task.Task) int // nil for the order of the store
	now    time.Time                 // of Redis
}

func (l *listing) add(cmd *cobra.Command) {
	l.flags.add(cmd)
	flags := cmd.Flags()
	flags.Var((*listFlag)(&l.columns), "columns", "show these `COLUMNS`")
	flags.Var(&l.sort, "sort", "sort by this `COLUMN`")
	flags.IntVar(&l.limit, "limit", 100, "list at most this many; 0 lists all")
	addJSON(cmd, &l.asJSON)
}

// check checks the flags.
func (l *listing) check() (err error) {
	if l.filter, err = l.flags.filter(); err != nil {
		return err
	}
	if l.limit < 0 {
		return usagef("--limit must not be negative; 0 lists all")
	}
	if l.asJSON && len(l.columns) > 0 {
		return usagef("--columns does not apply to --json, which prints every field")
	}
	names := l.columns
	if len(names) == 0 {
		names = defaultColumns
		if l.filter.Parent != "" {
			names = shardColumns
		}
		if slices.Equal(l.filter.States, []task.State{task.Running}) {
			names = runningColumns
		}
	}
	if l.shown, err = columnsNamed("--columns", names); err != nil {
		return err
	}
	if l.sort != "" {
		name, downwards := strings.CutPrefix(string(l.sort), "-")
		by, err := columnsNamed("--sort", []string{name})
		if err != nil {
			return err
		}
		l.order = by[0].order(downwards)
	}
	return nil
}

func (l *listing) run(ctx context.Context, cmd *cobra.Command, c *client.Client) (err error) {
	out := cmd.OutOrStdout()
	if l.now, err = c.Now(ctx); err != nil {
		return err
	}
	bar := terminal.NewBar(cmd.ErrOrStderr(), checkedTasks)
	defer bar.Clear()
	scan, err := newScan(ctx, c, l.filter, bar)
	if err != nil {
		return err
	}
	l.filter.Brief = !l.asJSON
	l.filter.Progress = func(read int) {
		scan.done = read
		// A pipe may end in a pager, which a bar would disturb.
		if terminal.IsTerminal(out) || terminal.IsFile(out) {
			scan.set(read)
		}
	}
	rows := l.writer(cmd, bar)
	n, more := 0, false
	var sorted []*task.Task
	for t, err := range c.Tasks(ctx, l.filter) {
		if err != nil {
			return err
		}
		if !l.flags.selects(t, l.now) {
			continue
		}
		if n++; l.order != nil {
			sorted = l.keep(append(sorted, t), false)
			continue
		}
		if more = l.limit > 0 && n > l.limit; more {
			break
		}
		if err := rows.add(t); err != nil {
			return err
		}
	}
	for _, t := range l.keep(sorted, true) {
		more = l.limit > 0 && n > l.limit
		if err := rows.add(t); err != nil {
			return err
		}
	}
	bar.Clear()
	if n == 0 {
		if l.flags.empty() {
			return reportNone(cmd, "pool "+c.Name+" holds no task")
		}
		return reportNone(cmd, fmt.Sprintf("no task of pool %s matches; %s read", c.Name, terminal.Count(scan.done, "task")))
	}
	if err := rows.end(); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: there are more than %d; --limit 0 lists all\n", l.limit)
	}
	return nil
}

// keep sorts the tasks and drops those over the limit. Unless it is the last call, it does so
// only now and then.
func (l *listing) keep(tasks []*task.Task, last bool) []*task.Task {
	if l.order == nil || !last && (l.limit == 0 || len(tasks) < 2*l.limit+1000) {
		return tasks
	}
	slices.SortStableFunc(tasks, l.order)
	if l.limit > 0 && len(tasks) > l.limit {
		clear(tasks[l.limit:])
		tasks = tasks[:l.limit]
	}
	return tasks
}

// taskRows writes the listed tasks.
type taskRows struct {
	add func(t *task.Task) error
	end func() error
}

func (l *listing) writer(cmd *cobra.Command, bar *terminal.Bar) taskRows {
	out := cmd.OutOrStdout()
	if l.asJSON {
		return taskRows{
			add: func(t *task.Task) error {
				bar.Clear()
				return terminal.WriteJSON(out, record.OfTask(t, nil))
			},
			end: func() error { return nil },
		}
	}
	var header []string
	for _, c := range l.shown {
		header = append(header, strings.ToUpper(c.name))
	}
	tab := terminal.NewTable(out, header...)
	for _, spare := range []string{"PRIORITY", "ATTEMPT", "QUEUE", "GROUP"} {
		if len(l.columns) == 0 && slices.Contains(header, spare) {
			tab.Spare(spare)
		}
	}
	tab.Paint("STATE", stateStyle)
	n := 0
	flush := func() error {
		bar.Clear()
		return tab.Flush()
	}
	return taskRows{
		add: func(t *task.Task) error {
			var cells []string
			for _, c := range l.shown {
				cells = append(cells, c.cell(t, l.now))
			}
			tab.Row(cells...)
			// A long list is written in parts instead of only at its end.
			if n++; n%1000 == 0 {
				return flush()
			}
			return nil
		},
		end: flush,
	}
}

// reportNone prints to standard error that there is nothing to show.
func reportNone(cmd *cobra.Command, what string) error {
	_, err := fmt.Fprintln(cmd.ErrOrStderr(), "ltsworker: "+what)
	return err
}
