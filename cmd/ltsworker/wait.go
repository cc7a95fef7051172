package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newWait(g *globals) *cobra.Command {
	var (
		asJSON  bool
		timeout durationFlag
	)
	cmd := &cobra.Command{
		Use:   "wait ID...",
		Short: "Wait until tasks have ended and print their results",
		Long: `Wait until all of the tasks have ended, and print their states and results in the
order of the arguments. The command fails unless all tasks succeeded and their results
can be read. The result of a removed task is lost if it is over 1 KiB: only its length
is printed. After --timeout the command prints the tasks that have ended and names the
others. Standard error says if no live replica serves the queue of a waiting task, or
none has a handler for its kind: after a second on a terminal, else after 10 seconds.`,
		Args: between(1, -1, "a task's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				ctx, cancel := timeout.bound(ctx)
				defer cancel()
				return waitFor(ctx, cmd, c, ids, asJSON)
			})
		},
	}
	cmd.Flags().Var(&timeout, "timeout", "give up after this time (default never)")
	addJSON(cmd, &asJSON)
	return cmd
}

// ending is the result of the wait for a task: the ended task, or an error.
type ending struct {
	task *task.Task
	err  error
}

// waitFor waits for all tasks at once and prints them in the given order. If ctx ends because of
// errWaitedLongEnough, the error names the tasks that have not ended.
func waitFor(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, asJSON bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Tasks that have already ended are printed even if the timeout is short. One call finds the
	// ids that do not exist.
	tasks, err := c.Find(cmd.Context(), ids...)
	if err != nil {
		return err
	}
	ends := make([]chan ending, len(ids))
	for i, id := range ids {
		ends[i] = make(chan ending, 1)
		switch t := tasks[i]; {
		case t == nil:
			ends[i] <- ending{err: task.ErrNotFound}
			continue
		case t.State.Terminal():
			ends[i] <- ending{task: t}
			continue
		}
		go func() {
			t, err := c.WaitTask(ctx, id)
			ends[i] <- ending{t, err}
		}()
	}
	after := unservedAfter
	if terminal.IsTerminal(cmd.ErrOrStderr()) {
		after = unservedAfterOnTerminal
	}
	stopReports := reportUnserved(ctx, cmd, c, tasks, after)
	defer stopReports()
	failed := false
	for i, id := range ids {
		e := <-ends[i]
		switch {
		case errors.Is(e.err, task.ErrNotFound):
			reportMissing(cmd, id)
			failed = true
			continue
		case e.err != nil && errors.Is(context.Cause(ctx), errWaitedLongEnough):
			fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s has not ended: %v\n", id, errWaitedLongEnough)
			failed = true
			continue
		case e.err != nil:
			return e.err
		}
		failed = failed || e.task.State != task.Succeeded || e.task.ResultLost > 0
		var err error
		if asJSON {
			err = terminal.WriteJSON(cmd.OutOrStdout(), record.OfTask(e.task, nil))
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

// How long a wait lasts before the command says that no replica can run the tasks, and the interval
// between the checks. A script may start a replica just before the wait.
const (
	unservedAfterOnTerminal = time.Second
	unservedAfter           = 10 * time.Second
)

// reportUnserved prints, once for each reason, why no live replica can run the tasks. after is the
// interval between the checks. The function that it returns ends this, and returns when nothing more
// is printed.
func reportUnserved(ctx context.Context, cmd *cobra.Command, c *client.Client, tasks []*task.Task, after time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reported := map[string]bool{}
		for backoff.Sleep(ctx, after) == nil {
			finder := holdup.New(c.Pool)
			var ids []string
			for _, t := range tasks[:min(len(tasks), mostUnserved)] {
				if t != nil && !t.State.Terminal() {
					ids = append(ids, t.ID)
				}
			}
			now, err := c.Store.Get(ctx, ids...)
			if err != nil {
				continue // the wait reports it
			}
			for _, t := range now {
				if t == nil {
					continue
				}
				if why := finder.Unserved(ctx, t); why != "" && !reported[why] && ctx.Err() == nil {
					reported[why] = true
					fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s waits: %s\n", terminal.Printable(t.ID), why)
				}
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// mostUnserved is how many tasks of a wait are checked.
const mostUnserved = 100

// endLine returns a line that describes the end of a task.
func endLine(t *task.Task) string {
	cells := []string{terminal.Printable(t.ID), terminal.Printable(string(t.State))}
	if t.State == task.Succeeded {
		switch {
		case t.ResultLost > 0:
			cells = append(cells, fmt.Sprintf("its result of %d bytes is gone", t.ResultLost))
		case len(t.Result) > 0:
			cells = append(cells, content(t.Result))
		}
		return strings.Join(cells, "\t")
	}
	if string(t.Code) != string(t.State) {
		cells = append(cells, terminal.Printable(string(t.Code)))
	}
	if why := cmp.Or(t.StopWhy, t.Error); why != "" {
		cells = append(cells, terminal.Printable(why))
	}
	return strings.Join(cells, "\t")
}
