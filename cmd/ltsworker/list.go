package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newList(g *globals) *cobra.Command {
	var (
		f      filterFlags
		limit  int
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List tasks",
		Long: `List live tasks, and ended tasks that are still kept. A task is listed if it matches
every flag. It matches a flag if it matches one of its values, which are separated by
commas or given by repeating the flag. The order is by state, and within a state by
position, due time or end.`,
		Example: `  ltsworker ls --state running
  ltsworker ls --state failed --kind email.send,email.digest --limit 0 --json`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			if limit < 0 {
				return usagef("--limit must not be negative; 0 lists all")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return list(ctx, cmd, c, filter, limit, asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "list at most this many; 0 lists all")
	addJSON(cmd, &asJSON)
	return cmd
}

func list(ctx context.Context, cmd *cobra.Command, c *client.Client, filter task.Filter, limit int, asJSON bool) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out, "ID", "KIND", "QUEUE", "STATE", "PRIORITY", "ATTEMPT", "AGE", "NOTE")
	tab.Spare("PRIORITY", "ATTEMPT", "QUEUE")
	tab.Paint("STATE", stateStyle)
	filter.Brief = !asJSON
	bar := terminal.NewBar(cmd.ErrOrStderr(), "tasks listed")
	defer bar.Clear()
	n := 0
	for t, err := range c.Tasks(ctx, filter) {
		if err != nil {
			return err
		}
		if limit > 0 && n == limit {
			bar.Clear()
			fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: there are more than %d; --limit 0 lists all\n", limit)
			break
		}
		if asJSON {
			if err := terminal.WriteJSON(out, recordTask(t, nil)); err != nil {
				return err
			}
		} else {
			tab.Row(terminal.Printable(t.ID), terminal.Printable(t.Kind), terminal.Printable(t.Queue), terminal.Printable(string(t.State)),
				strconv.Itoa(int(t.Priority)), strconv.FormatInt(t.Attempt, 10), terminal.Age(t.CreatedAt), note(t))
			// A long list is written in parts instead of only at its end.
			if n%1000 == 999 {
				if err := tab.Flush(); err != nil {
					return err
				}
			}
		}
		n++
		// Only a file needs a bar: on a terminal the list shows its own progress, and a pipe may
		// end in a pager.
		if n%100 == 0 && terminal.IsFile(out) {
			bar.Count(n)
		}
	}
	if n == 0 {
		if filter.Empty() {
			return tellNone(cmd, "pool "+c.Name+" holds no task")
		}
		return tellNone(cmd, "no task of pool "+c.Name+" matches")
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}

// tellNone prints to standard error that there is nothing to show.
func tellNone(cmd *cobra.Command, what string) error {
	_, err := fmt.Fprintln(cmd.ErrOrStderr(), "ltsworker: "+what)
	return err
}

// note returns the most important fact about a task in its state.
func note(t *task.Task) string {
	switch {
	case t.State == task.Scheduled:
		if t.DueAt.Before(time.Now()) {
			return "due"
		}
		return "due " + terminal.RelativeTime(t.DueAt)
	case t.State == task.Waiting && t.Group != "":
		return "group " + terminal.Printable(t.Group)
	case t.State == task.Running && len(t.Progress) > 0:
		return terminal.Printable(terminal.Cut(string(t.Progress), 60))
	case t.State == task.Stopped && t.StopWhy != "":
		return terminal.Printable(terminal.Cut(t.StopWhy, 60))
	case t.State == task.Succeeded:
		return ""
	case t.Error != "":
		return terminal.Printable(terminal.Cut(t.Error, 60))
	case t.State != task.Running && t.State != task.Waiting:
		return terminal.Printable(string(t.Code))
	}
	return ""
}

// stateStyle is the colour of a task's state.
func stateStyle(state string) terminal.Style {
	switch task.State(state) {
	case task.Running:
		return terminal.Cyan
	case task.Succeeded:
		return terminal.Green
	case task.Failed:
		return terminal.Red
	case task.Stopped, task.Expired:
		return terminal.Yellow
	}
	return terminal.Plain
}
