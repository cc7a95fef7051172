package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newPause(g *globals) *cobra.Command {
	return pauseCommand(g, "pause", "Start no more tasks of a queue, or of the whole pool",
		"Running tasks go on. No task starts after the command has returned.", "paused",
		warnNewQueue, func(ctx context.Context, c *client.Client, queue string) error { return c.Pause(ctx, queue) })
}

func newResume(g *globals) *cobra.Command {
	return pauseCommand(g, "resume", "End the pause of a queue, or of the whole pool",
		"A queue runs while neither it nor the pool is paused. A queue that the pool does not\nhave is an error.", "resumed",
		refuseNewQueue, func(ctx context.Context, c *client.Client, queue string) error { return c.Resume(ctx, queue) })
}

// refuseNewQueue returns an error if the pool does not have the queue, because a resume would add
// the queue to the pool.
func refuseNewQueue(ctx context.Context, _ *cobra.Command, c *client.Client, queue string) error {
	others, err := unlisted(ctx, c, queue)
	if err == nil && others != "" {
		err = fmt.Errorf("the pool has no queue %s; %s", terminal.Printable(queue), others)
	}
	return err
}

// pauseCommand makes one of the two commands. check is called with the name of a queue before the
// change.
func pauseCommand(g *globals, verb, short, long, past string, check func(context.Context, *cobra.Command, *client.Client, string) error,
	do func(context.Context, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " [QUEUE]",
		Short: short,
		Long:  short + ".\n" + long,
		Args:  between(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			queue, what := "", "the whole pool"
			if len(args) > 0 {
				queue, what = args[0], "queue "+args[0]
				if err := task.CheckName(queue); err != nil {
					return usagef("the queue %s %v", terminal.Quoted(queue), err)
				}
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if queue != "" {
					if err := check(ctx, cmd, c, queue); err != nil {
						return err
					}
				}
				if err := do(ctx, c, queue); err != nil {
					return err
				}
				var still string
				var err error
				if verb == "resume" && queue == "" {
					still, err = stillPaused(ctx, c)
				}
				_, werr := fmt.Fprintln(cmd.OutOrStdout(), past, what+still)
				return errors.Join(err, werr)
			})
		},
	}
}

// stillPaused returns a text that lists the queues with a pause of their own. They remain paused
// when the pool's pause ends.
func stillPaused(ctx context.Context, c *client.Client) (string, error) {
	stats, err := c.Stats(ctx)
	var names []string
	for _, q := range stats.Queues {
		if q.Paused {
			names = append(names, terminal.Printable(q.Name))
		}
	}
	if len(names) == 0 {
		return "", err
	}
	return "; still paused by themselves: " + strings.Join(names, ", "), nil
}
