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
given. Fails unless all of them succeeded. After --timeout it prints those that
have ended and names the others.`,
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

// ending is how the wait for a task ended: with the ended task, or an error.
type ending struct {
	task *worker.Task
	err  error
}

// waitFor waits for all tasks at once and prints each, in the order given. The end
// of ctx because of errWaitedLongEnough leaves those out that have not ended.
func waitFor(ctx context.Context, cmd *cobra.Command, c *client, ids []string, asJSON bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What has ended is told however short the time is, and what is not there is
	// looked for once, not once for each.
	known, err := endings(cmd.Context(), c, ids)
	if err != nil {
		return err
	}
	ends := make([]chan ending, len(ids))
	for i, id := range ids {
		ends[i] = make(chan ending, 1)
		if e, ok := known[id]; ok {
			ends[i] <- e
			continue
		}
		go func() {
			t, err := c.WaitTask(ctx, id)
			ends[i] <- ending{t, err}
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
			fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s has not ended: %v\n", id, errWaitedLongEnough)
			failed = true
			continue
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

// How far back the events are searched for the ends of tasks that are gone: as far
// as WaitTask does.
const (
	lookBack     = 10_000
	lookBackPage = 1000
)

// endings reads the tasks and returns those that have ended, and those that do not
// exist. Of one that has left Redis with its end there is what its last event says.
func endings(ctx context.Context, c *client, ids []string) (map[string]ending, error) {
	tasks, err := c.store.Get(ctx, ids...)
	if err != nil {
		return nil, err
	}
	known, gone := map[string]ending{}, false
	for i, t := range tasks {
		switch {
		case t == nil:
			known[ids[i]], gone = ending{err: worker.ErrNotFound}, true
		case t.State.Terminal():
			known[ids[i]] = ending{task: t}
		}
	}
	before := ""
	for n := 0; gone && n < lookBack; {
		page, err := c.store.RecentEvents(ctx, before, lookBackPage)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if known[e.ID].err != nil && e.State.Terminal() {
				known[e.ID] = ending{task: endedBy(e)}
			}
		}
		n += len(page)
		before = page[len(page)-1].Cursor
	}
	return known, nil
}

// endedBy is what an event tells of the task that it ended.
func endedBy(e worker.Event) *worker.Task {
	return &worker.Task{
		Spec:  worker.Spec{ID: e.ID, Kind: e.Kind, Queue: e.Queue, Headers: e.Meta},
		State: e.State, Attempt: e.Attempt, Version: e.Version, EndedAt: e.At, Replica: e.Replica, Code: e.Code, Error: e.Error, Result: e.Result,
	}
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
