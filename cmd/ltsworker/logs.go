package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// logRecord is a failed or lost attempt in the JSON output of logs.
type logRecord struct {
	ID string `json:"id"`
	attemptRecord
}

func newLogs(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Show the attempts of a task, with the end of their logs",
		Long: fmt.Sprintf(`Show the failed and lost attempts of a task, oldest first. The newest %d are kept as
long as the task is kept. The log of a command is the end of its standard error.
Successful attempts are not shown.`, task.MaxHistory),
		Args: between(1, 1, "a task's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return showLogs(ctx, cmd, c, ids[0], asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func showLogs(ctx context.Context, cmd *cobra.Command, c *client.Client, id string, asJSON bool) error {
	tasks, err := c.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	t := tasks[0]
	if t == nil {
		tellMissing(cmd, id)
		return errReported
	}
	history, err := c.History(ctx, id)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		for _, a := range recordHistory(history) {
			if err := terminal.WriteJSON(out, logRecord{id, a}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := printHistory(out, history); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, standing(t))
	return err
}

// printHistory prints attempts with their logs as text.
func printHistory(w io.Writer, history []task.AttemptRecord) error {
	for _, a := range history {
		text := fmt.Sprintf("attempt %d: %s after %s at %s on %s\n", a.Attempt, terminal.Printable(string(a.Code)), terminal.Duration(a.Run), terminal.LocalTime(a.At), terminal.Printable(a.Replica))
		if a.Error != "" {
			text += fmt.Sprintf("  error: %s\n", terminal.Printable(a.Error))
		}
		if log := strings.TrimRight(a.Log, "\n"); log != "" {
			text += fmt.Sprintf("  log:\n    %s\n", strings.ReplaceAll(terminal.VisibleLines(log), "\n", "\n    "))
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// standing describes the current state of the task.
func standing(t *task.Task) string {
	text := "the task is " + terminal.Printable(string(t.State))
	switch {
	case t.State == task.Running:
		text = fmt.Sprintf("attempt %d: running for %s on %s", t.Attempt, terminal.Age(t.StartedAt), terminal.Printable(t.Replica))
	case t.State == task.Scheduled && !t.DueAt.IsZero():
		if left := time.Until(t.DueAt); left > 0 {
			text += ", due in " + terminal.ShortDuration(left)
		}
	case t.State == task.Succeeded && t.Attempt > 0:
		text = fmt.Sprintf("attempt %d: succeeded at %s", t.Attempt, terminal.LocalTime(t.EndedAt))
	case t.State.Terminal() && string(t.Code) != string(t.State) && t.Code != "":
		text += " (" + terminal.Printable(string(t.Code)) + ")"
	}
	return text
}
