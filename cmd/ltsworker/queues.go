package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// forgetRecord is a queue that was forgotten in JSON output.
type forgetRecord struct {
	Forgot string `json:"forgot"`
}

func newQueues(g *globals) *cobra.Command {
	var (
		asJSON bool
		forget string
	)
	cmd := &cobra.Command{
		Use:   "queues",
		Short: "Show the queues: waiting and running tasks, age of the oldest, rates",
		Long: `Show every queue that has a setting or ever had a task.

OLDEST is the age of the oldest waiting task that is not blocked by the limit of its
group. If all waiting tasks are blocked, STATE is "groups full". IN/S and OUT/S are
tasks made and ended per second, on average over the last minute: "-" for none, 0.0
for fewer than 0.05.

If tasks with labels wait in a queue, the lines below it are the sets of labels, at most
16, with the number of their tasks. The number of the queue includes them.

--forget removes a queue from the list, with its limit, cap and pause. This is refused
if the queue has live tasks, if a replica serves it, or if the inbox is not empty. The
next task for the queue adds it again.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if forget != "" {
					if err := c.ForgetQueue(ctx, forget); err != nil {
						return err
					}
					if asJSON {
						return terminal.WriteJSON(cmd.OutOrStdout(), forgetRecord{forget})
					}
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "forgot queue %s\n", terminal.Printable(forget))
					return err
				}
				s, err := c.Stats(ctx)
				if err != nil {
					return err
				}
				loads, err := c.LoadOf(ctx, s.Queues)
				if err != nil {
					return err
				}
				if asJSON {
					for _, q := range loads {
						if err := terminal.WriteJSON(cmd.OutOrStdout(), record.OfQueueLoad(q)); err != nil {
							return err
						}
					}
					return nil
				}
				if len(loads) == 0 {
					_, err := fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: pool %s has no queues\n", terminal.Printable(c.Name))
					return err
				}
				return printQueues(cmd, loads, s.Paused)
			})
		},
	}
	cmd.Flags().Var((*textFlag)(&forget), "forget", "remove the queue `NAME` from the list")
	addJSON(cmd, &asJSON)
	return cmd
}

func printQueues(cmd *cobra.Command, loads []pool.QueueLoad, poolPaused bool) error {
	tab := terminal.NewTable(cmd.OutOrStdout(), "QUEUE", "WAITING", "RUNNING", "OLDEST", "IN/S", "OUT/S", "MAX LEN", "STATE")
	tab.Spare("MAX LEN")
	tab.Paint("STATE", terminal.NotEmpty(terminal.Yellow))
	for _, q := range loads {
		tab.Row(terminal.Printable(q.Name), strconv.Itoa(q.Waiting), terminal.RunningText(q.Running, q.Limit), terminal.WaitText(q.OldestWait),
			terminal.RateText(q.In), terminal.RateText(q.Out), terminal.LimitText(q.MaxLen), terminal.QueueState(q.QueueInfo, poolPaused))
		for _, l := range q.Lines {
			tab.Row("  "+terminal.Printable(strings.Join(l.Labels, " ")), strconv.Itoa(l.Waiting), "", "", "", "", "", "")
		}
		if q.MoreLines > 0 {
			tab.Row(fmt.Sprintf("  %d more sets of labels", q.MoreLines), "", "", "", "", "", "", "")
		}
	}
	return tab.Flush()
}
