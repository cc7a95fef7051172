package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func newAging(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "aging QUEUE [STEP|none]",
		Short: "Show or change how waiting gains priority in a queue",
		Long: `Show the aging of a queue, or change it. With a step of 30s, a task that has waited for 30
seconds starts before a new one whose priority is one higher. "none" is strict priority.

Aging changes only while no task of the queue waits or runs.`,
		Example: `  ltsworker aging default       show it
  ltsworker aging default 30s   30 seconds of waiting are worth one priority
  ltsworker aging default none  strict priority`,
		Args: between(1, 2, "QUEUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			queue := args[0]
			if err := task.CheckName(queue); err != nil {
				return usagef("the queue %s %v", terminal.Quoted(queue), err)
			}
			var step time.Duration
			if len(args) == 2 {
				if step = pool.NoAging; args[1] != "none" {
					var err error
					if step, err = timespan.Parse(args[1]); err != nil {
						return usagef("the step %v, or none", err)
					}
				}
				if err := task.CheckAging(step); err != nil || step == 0 {
					return usagef("the step %v", err)
				}
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if step != 0 {
					if err := warnNewQueue(ctx, cmd, c, queue); err != nil {
						return err
					}
					if err := c.SetAging(ctx, queue, step); err != nil {
						return err
					}
				}
				return showAging(ctx, cmd, c, queue, asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func showAging(ctx context.Context, cmd *cobra.Command, c *client.Client, queue string, asJSON bool) error {
	queues, err := c.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if q.Name == queue {
			return printAging(cmd, queue, q.Aging, asJSON)
		}
	}
	if err := record.CheckServed(ctx, c.Pool, queue); err != nil {
		return err
	}
	return printAging(cmd, queue, 0, asJSON)
}

func printAging(cmd *cobra.Command, queue string, step time.Duration, asJSON bool) error {
	if asJSON {
		return terminal.WriteJSON(cmd.OutOrStdout(), record.Aging{Queue: queue, AgingMS: step.Milliseconds()})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "aging of queue %s: %s\n", terminal.Printable(queue), terminal.AgingText(step))
	return err
}
