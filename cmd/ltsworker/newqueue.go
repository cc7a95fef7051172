package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// tellOfNewQueue says on standard error that a queue is about to come into being,
// which is what a slip of the pen looks like. It is called before the change.
func tellOfNewQueue(ctx context.Context, cmd *cobra.Command, c *client, queue string) error {
	queues, err := c.Queues(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, q := range queues {
		if q.Name == queue {
			return nil
		}
		names = append(names, printable(q.Name))
	}
	there := "there is none yet"
	if len(names) > 0 {
		there = "there are " + strings.Join(names[:min(len(names), 20)], ", ")
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "note: the pool had no queue %s; %s\n", printable(queue), there)
	return err
}
