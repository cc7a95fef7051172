package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/worker"
)

func newWait(g *globals) *cobra.Command {
	var (
		asJSON  bool
		timeout durationFlag
	)
	cmd := &cobra.Command{
		Use:   "wait ID...",
		Short: "Wait until tasks have ended and print their results",
		Long: `Wait until each of the tasks has ended, and print state and result in the order
given. Fails unless all of them succeeded.`,
		Args: between(1, -1, "a task's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client) error {
				ctx, cancel := timeout.bound(ctx)
				defer cancel()
				return waitFor(ctx, cmd, c, ids, asJSON)
			})
		},
	}
	cmd.Flags().Var(&timeout, "timeout", "give up after this (default never)")
	addJSON(cmd, &asJSON)
	return cmd
}

// waitFor waits for all tasks at once and prints each, in the order given.
func waitFor(ctx context.Context, cmd *cobra.Command, c *client, ids []string, asJSON bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type end struct {
		task *worker.Task
		err  error
	}
	ends := make([]chan end, len(ids))
	for i, id := range ids {
		ends[i] = make(chan end, 1)
		go func() {
			t, err := c.WaitTask(ctx, id)
			ends[i] <- end{t, err}
		}()
	}
	failed := false
	for i, id := range ids {
		e := <-ends[i]
		switch {
		case errors.Is(e.err, worker.ErrNotFound):
			tellMissing(cmd, id)
			failed = true
			continue
		case e.err != nil && errors.Is(context.Cause(ctx), errWaitedLongEnough):
			return fmt.Errorf("%s has not ended: %w", id, errWaitedLongEnough)
		case e.err != nil:
			return e.err
		}
		failed = failed || e.task.State != worker.Succeeded
		var err error
		if asJSON {
			err = writeJSON(cmd.OutOrStdout(), recordTask(e.task, nil))
		} else {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), endLine(e.task))
		}
		if err != nil {
			return err
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// endLine says on one line how a task ended.
func endLine(t *worker.Task) string {
	cells := []string{printable(t.ID), printable(string(t.State))}
	if t.State == worker.Succeeded {
		if len(t.Result) > 0 {
			cells = append(cells, content(t.Result))
		}
		return strings.Join(cells, "\t")
	}
	if string(t.Code) != string(t.State) {
		cells = append(cells, printable(string(t.Code)))
	}
	if why := cmp.Or(t.StopWhy, t.Error); why != "" {
		cells = append(cells, printable(why))
	}
	return strings.Join(cells, "\t")
}
