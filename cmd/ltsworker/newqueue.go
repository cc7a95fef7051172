package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// maxQueuesNamed is how many queues a note names.
const maxQueuesNamed = 20

// warnNewQueue prints a note to standard error if the pool does not have the queue, because the
// name may be a typing error. It is called before the change.
func warnNewQueue(ctx context.Context, cmd *cobra.Command, c *client.Client, queue string) error {
	others, err := unlisted(ctx, c, queue)
	if err != nil || others == "" {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "note: the pool had no queue %s; %s; remove it with ltsworker queues --forget %s\n",
		terminal.Printable(queue), others, terminal.Printable(queue))
	return err
}

// unlisted returns "" if the pool has the queue or a replica serves it. Otherwise it returns a text
// that names the queues of the pool, and the one with the most similar name.
func unlisted(ctx context.Context, c *client.Client, queue string) (others string, err error) {
	queues, err := c.Queues(ctx)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(queues, func(q pool.QueueInfo) bool { return q.Name == queue }) {
		return "", nil
	}
	known, err := record.Served(ctx, c.Pool)
	if err != nil || known[queue] {
		return "", err
	}
	for _, q := range queues {
		known[q.Name] = true
	}
	names := slices.Sorted(maps.Keys(known))
	var shown []string
	for _, name := range names {
		shown = append(shown, terminal.Printable(name))
	}
	there := "there is none yet"
	if n := len(shown); n > 0 {
		if n > maxQueuesNamed {
			shown = append(shown[:maxQueuesNamed], fmt.Sprintf("and %d more", n-maxQueuesNamed))
		}
		there = "there are " + strings.Join(shown, ", ")
	}
	if meant := spelling.Nearest(queue, names); meant != "" {
		there = "did you mean " + terminal.Printable(meant) + "? " + there
	}
	return there, nil
}
