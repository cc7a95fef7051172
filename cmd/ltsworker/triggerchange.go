package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

func newTriggerRemove(g *globals) *cobra.Command {
	return triggerChange(g, "rm", "Remove triggers", `Remove triggers and their histories. Their tasks stay. A replica whose config file has the
trigger sets it again when it starts.`, "removed", (*pool.Triggers).Remove)
}

func newTriggerPause(g *globals) *cobra.Command {
	return triggerChange(g, "pause", "Keep triggers from firing", `Keep triggers from firing until they are resumed. Planned times that pass meanwhile make
no task.`, "paused", (*pool.Triggers).Pause)
}

func newTriggerResume(g *globals) *cobra.Command {
	return triggerChange(g, "resume", "Let paused triggers fire again", `Let paused triggers fire again, from their next planned time on.`, "resumed", (*pool.Triggers).Resume)
}

// triggerChange is a command that changes triggers by their names.
func triggerChange(g *globals, name, short, long, done string, change func(t *pool.Triggers, ctx context.Context, name string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " NAME...",
		Short: short,
		Long:  long,
		Args:  between(1, -1, "a trigger's NAME"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				for _, name := range names {
					if err := change(c.Triggers(), ctx, name); err != nil {
						return suggestTrigger(ctx, c, name, err)
					}
					if _, err := fmt.Fprintln(cmd.OutOrStdout(), name, done); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func newTriggerRun(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Make a task of a trigger now, besides its schedule",
		Long: `Make a task of a trigger now, besides its schedule, even if it is paused. The planned
time of the task is now. The output is the id of the task, and "made" or "duplicate".`,
		Args: between(1, 1, "a trigger's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				r, err := c.Triggers().Run(ctx, args[0])
				if err != nil {
					return suggestTrigger(ctx, c, args[0], err)
				}
				if asJSON {
					return terminal.WriteJSON(cmd.OutOrStdout(), struct {
						ID        string `json:"id"`
						Duplicate bool   `json:"duplicate"`
					}{r.ID, r.Duplicate})
				}
				what := "made"
				if r.Duplicate {
					what = "duplicate"
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), r.ID, what)
				return err
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func newTriggerNext(g *globals) *cobra.Command {
	var (
		n      int
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "next NAME",
		Short: "Show the next planned times of a trigger",
		Long: `Show the next planned times of a trigger, in its time zone. A paused trigger has none. Of a
fixed delay only the next one is known.`,
		Args: between(1, 1, "a trigger's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 || n > 1000 {
				return usagef("--count must be from 1 to 1000, not %d", n)
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				times, err := c.Triggers().Next(ctx, args[0], n)
				if err != nil {
					return suggestTrigger(ctx, c, args[0], err)
				}
				if len(times) == 0 {
					return reportNone(cmd, "trigger "+args[0]+" has no planned time")
				}
				for _, t := range times {
					if asJSON {
						err = terminal.WriteJSON(cmd.OutOrStdout(), map[string]string{"planned": record.Instant(t)})
					} else {
						_, err = fmt.Fprintln(cmd.OutOrStdout(), t.Format("Mon 2006-01-02 15:04:05 -07:00"))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&n, "count", 5, "show this many")
	addJSON(cmd, &asJSON)
	return cmd
}

func newTriggerHistory(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show what became of the planned times of a trigger",
		Long: `Show what became of the latest planned times of a trigger, newest first. The last 50 are
kept. LATE is how long after the planned time it was handled, jitter included.`,
		Args: between(1, 1, "a trigger's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return printFirings(ctx, cmd, c, args[0], asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func printFirings(ctx context.Context, cmd *cobra.Command, c *client.Client, name string, asJSON bool) error {
	records, err := c.Triggers().History(ctx, name)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		if _, err := c.Triggers().Get(ctx, name); err != nil {
			return suggestTrigger(ctx, c, name, err)
		}
		return reportNone(cmd, "trigger "+terminal.Printable(name)+" has no history")
	}
	tab := terminal.NewTable(cmd.OutOrStdout(), "PLANNED", "LATE", "OUTCOME", "TASK", "WHY")
	for i := range records {
		e := &records[i]
		if asJSON {
			if err := terminal.WriteJSON(cmd.OutOrStdout(), record.OfFiring(e)); err != nil {
				return err
			}
			continue
		}
		late := strconv.FormatInt(e.At.Sub(e.Planned).Milliseconds(), 10) + "ms"
		if d := e.At.Sub(e.Planned); d.Seconds() >= 10 {
			late = terminal.ShortDuration(d)
		}
		tab.Row(terminal.LocalTime(e.Planned), late, string(e.Outcome), terminal.Printable(e.Task), terminal.Printable(e.Why))
	}
	if asJSON {
		return nil
	}
	return tab.Flush()
}
