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
	"github.com/ltsworker/ltsworker/task"
)

func newStats(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show the counts of the pool and its queues at one instant",
		Args:  between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := c.Stats(ctx)
				if err != nil {
					return err
				}
				archives, err := c.Store.Archives(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					r := record.OfStats(c.Name, s)
					r.Archives = record.Archives(archives)
					return terminal.WriteJSON(cmd.OutOrStdout(), r)
				}
				return printStats(cmd, c.Name, s, archives)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// scheduledOf returns the number of scheduled tasks, and how many of them are on hold.
func scheduledOf(s task.Stats) string {
	if s.Hold == 0 {
		return strconv.Itoa(s.Scheduled)
	}
	return fmt.Sprintf("%d, %d on hold", s.Scheduled, s.Hold)
}

func printStats(cmd *cobra.Command, name string, s task.Stats, archives []task.ArchiveInfo) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out)
	title := "pool " + name
	if s.Paused {
		title += " (paused)"
	}
	fmt.Fprintln(out, title)
	num := func(n int) string { return strconv.Itoa(n) }
	tab.Row("  scheduled", scheduledOf(s))
	tab.Row("  waiting", num(s.Waiting))
	running := num(s.Running)
	if s.Limit > 0 {
		running += " of at most " + num(s.Limit)
	}
	if s.Outside > 0 {
		running += ", " + num(s.Outside) + " outside"
	}
	tab.Row("  running", running)
	for _, state := range pool.EndedStates() {
		tab.Row("  "+string(state), fmt.Sprintf("%d, %d kept", s.Ended[state], s.Kept[state]))
	}
	tab.Row("  enqueued", fmt.Sprintf("%d, %d retried by hand", s.Enqueued, s.Retried))
	tab.Row("  leases lost", strconv.FormatInt(s.LeasesLost, 10))
	tab.Row("  inbox", fmt.Sprintf("%d, %d rejected", s.Inbox, s.Rejected))
	tab.Row("  events", num(s.Events))
	tab.Row("  replicas", num(s.Replicas))
	for _, a := range archives {
		tab.Row("  archive", archiveInfoText(a))
	}
	if err := tab.Flush(); err != nil || len(s.Queues) == 0 {
		return err
	}
	fmt.Fprintln(out)
	tab = terminal.NewTable(out, "QUEUE", "WAITING", "RUNNING", "LIMIT", "MAX LEN", "")
	tab.Paint("", terminal.NotEmpty(terminal.Yellow))
	for _, q := range s.Queues {
		tab.Row(terminal.Printable(q.Name), num(q.Waiting), num(q.Running), terminal.LimitText(q.Limit), terminal.LimitText(q.MaxLen), terminal.QueueState(q, s.Paused))
	}
	return tab.Flush()
}
