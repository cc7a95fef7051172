package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/top"
)

func newTop(g *globals) *cobra.Command {
	every := durationFlag{value: time.Second, set: true}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the pool in the terminal, and pause, resume, stop, retry and drain with a key",
		Long: `Watch the pool: its queues with waiting and running tasks and rates, its replicas with
their slots and heartbeats, and the kept failed tasks, grouped by kind and error.
Errors that differ only in numbers are one group.

  tab, up, down   go to a line
  p  r            pause, resume the queue; on the first line the whole pool
  s               stop the live tasks of the queue, or of a failure's kind; on the
                  first line those of the whole pool
  t               retry the failed tasks of the group
  d               drain the replica
  q               quit

Before a key changes tasks or replicas, top shows the number of tasks and asks. The
second line has the totals of the pool; "lost" counts the leases that ended without a
report. A terminal of 80 by 24 shows everything. Programs use queues, replicas and ls
with --json.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every.value < 100*time.Millisecond {
				return usagef("--every must be at least 100ms")
			}
			if !terminal.IsTerminal(cmd.OutOrStdout()) || !terminal.IsTerminal(cmd.InOrStdin()) {
				return usagef("top needs a terminal; a program reads queues --json and replicas --json")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return top.Run(ctx, c, top.Options{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Every: every.value})
			})
		},
	}
	cmd.Flags().Var(&every, "every", "time between two updates")
	return cmd
}
