package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func newTrigger(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trigger COMMAND",
		Short: "Show, set, pause, run or remove triggers, which make tasks at set times",
		Long: `Show, set, pause, run or remove triggers. A trigger is a named schedule that makes a
task each time it fires. The replicas of the pool fire it.`,
		Example: `  ltsworker trigger set report-eu report.daily '{"region":"eu"}' --cron "30 6 * * 1-5" --zone Europe/Berlin
  ltsworker trigger ls
  ltsworker trigger next report-eu
  ltsworker trigger run report-eu
  ltsworker trigger history report-eu`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTriggerList(g), newTriggerShow(g), newTriggerSet(g), newTriggerRemove(g), newTriggerPause(g), newTriggerResume(g),
		newTriggerRun(g), newTriggerNext(g), newTriggerHistory(g))
	return cmd
}

func newTriggerList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List all triggers",
		Long: `List all triggers by name, with their schedule and the next planned time by the clock of
Redis.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				list, err := c.Triggers().List(ctx)
				if err != nil {
					return err
				}
				if len(list) == 0 {
					return reportNone(cmd, "pool "+c.Name+" has no trigger")
				}
				return printTriggers(ctx, cmd, c, list, asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func printTriggers(ctx context.Context, cmd *cobra.Command, c *client.Client, list []*pool.TriggerInfo, asJSON bool) error {
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	tab := terminal.NewTable(cmd.OutOrStdout(), "NAME", "SCHEDULE", "NEXT", "STATE", "KIND", "QUEUE")
	for _, t := range list {
		if asJSON {
			if err := terminal.WriteJSON(cmd.OutOrStdout(), record.OfTrigger(t)); err != nil {
				return err
			}
			continue
		}
		next := "-"
		if !t.Next.IsZero() {
			next = terminal.RelativeTo(t.Next, now)
		}
		queue := t.Task.Queue
		if queue == "" {
			queue = task.DefaultQueue
		}
		tab.Row(terminal.Printable(t.Name), terminal.Printable(terminal.Schedule(&t.Trigger)), next, record.TriggerState(t), terminal.Printable(t.Task.Kind), terminal.Printable(queue))
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}

func newTriggerShow(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME...",
		Short: "Show triggers with their definitions",
		Args:  between(1, -1, "a trigger's NAME"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				for i, name := range names {
					t, err := c.Triggers().Get(ctx, name)
					if err != nil {
						return suggestTrigger(ctx, c, name, err)
					}
					if asJSON {
						err = terminal.WriteJSON(cmd.OutOrStdout(), record.OfTrigger(t))
					} else {
						err = showTrigger(cmd, t, i > 0)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func showTrigger(cmd *cobra.Command, t *pool.TriggerInfo, again bool) error {
	if again {
		fmt.Fprintln(cmd.OutOrStdout())
	}
	tab := terminal.NewTable(cmd.OutOrStdout())
	row := func(name, value string) {
		if value != "" {
			tab.Row(name, terminal.Printable(value))
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return terminal.LocalTimeMS(t)
	}
	row("name", t.Name)
	row("schedule", terminal.Schedule(&t.Trigger))
	row("state", record.TriggerState(t))
	row("next", at(t.Next))
	row("pending", at(t.Pending))
	row("set", at(t.SetAt))
	row("from", t.Origin)
	row("definition", string(record.Definition(t)))
	if t.Err != nil {
		row("problem", t.Err.Error())
	}
	return tab.Flush()
}
