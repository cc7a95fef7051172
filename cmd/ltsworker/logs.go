package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newLogs(g *globals) *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Show the attempts of a task, with the end of their logs",
		Long: fmt.Sprintf(`Show the attempts of a task, oldest first, with the end of their logs. The log of a
command is its standard error; a Go handler writes it with Logf. The log of an
attempt that runs is at most about a second old.

The newest %d ended attempts are kept, as long as the task is: those that failed, were
stopped or were lost, and others that have a log. max_log in the config file of run
says how many bytes of a log are kept. The duration of a lost attempt is the time from
its start until a replica noticed the loss, usually when its lease had ended.

-f goes on until the task has ended, over all its attempts. Each line of its JSON
output has only the part of the log that is new since the line before.`, task.MaxHistory),
		Args: between(1, 1, "a task's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if follow {
					f := follower{cmd: cmd, c: c, id: ids[0], asJSON: asJSON}
					return f.run(ctx)
				}
				return showLogs(ctx, cmd, c, ids[0], asJSON)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show what is added, until the task ends")
	addJSON(cmd, &asJSON)
	return cmd
}

func showLogs(ctx context.Context, cmd *cobra.Command, c *client.Client, id string, asJSON bool) error {
	t, history, now, err := readLogs(ctx, c, id)
	if err != nil {
		return err
	}
	if t == nil {
		reportMissing(cmd, id)
		return errReported
	}
	out := cmd.OutOrStdout()
	if asJSON {
		records := make([]record.Log, len(history))
		for i, a := range record.History(history) {
			records[i] = record.Log{ID: id, AttemptInfo: a}
		}
		if t.State == task.Running {
			records = append(records, record.Running(t, t.Log, now))
		}
		for _, r := range records {
			if err := terminal.WriteJSON(out, r); err != nil {
				return err
			}
		}
		return nil
	}
	if err := printHistory(out, history, nil); err != nil {
		return err
	}
	if n := len(history); n > 0 && t.State == task.Succeeded && history[n-1].Attempt == t.Attempt {
		return nil // shown
	}
	_, err = fmt.Fprint(out, standing(t, now)+"\n"+logText(t.Log, t.LogSize))
	return err
}

// readLogs reads a task, nil if there is none, and then its history, which is complete if
// the task has ended. now is the time of Redis.
func readLogs(ctx context.Context, c *client.Client, id string) (t *task.Task, history []task.AttemptRecord, now time.Time, err error) {
	tasks, err := c.Store.Get(ctx, id)
	if err != nil || tasks[0] == nil {
		return nil, nil, now, err
	}
	if history, err = c.History(ctx, id); err == nil {
		now, err = c.Now(ctx)
	}
	return tasks[0], history, now, err
}

// printHistory prints attempts with their logs as text. hosts has the hosts of replicas.
func printHistory(w io.Writer, history []task.AttemptRecord, hosts map[string]task.Host) error {
	for _, a := range history {
		if _, err := io.WriteString(w, attemptEnd(a, hosts)+logText(a.Log, a.LogSize)); err != nil {
			return err
		}
	}
	return nil
}

// lastAttempt describes the end of the attempt with which a task succeeded, from the fields of the
// task.
func lastAttempt(t *task.Task) task.AttemptRecord {
	return task.AttemptRecord{Attempt: t.Attempt, Code: task.CodeOK, At: t.EndedAt, Run: max(t.EndedAt.Sub(t.StartedAt), 0), Replica: t.Replica}
}

// attemptEnd describes how an attempt ended, without its log.
func attemptEnd(a task.AttemptRecord, hosts map[string]task.Host) string {
	how := string(a.Code)
	if a.Code == task.CodeOK {
		how = string(task.Succeeded)
	}
	text := fmt.Sprintf("attempt %d: %s after %s at %s on %s\n", a.Attempt, terminal.Printable(how), terminal.Duration(a.Run), terminal.LocalTime(a.At), onHost(a.Replica, hosts))
	if a.Error != "" {
		text += fmt.Sprintf("  error: %s\n", terminal.Printable(a.Error))
	}
	return text
}

// logText returns a log as text, "" for none. size is how many bytes the attempt wrote.
func logText(log string, size int64) string {
	lines := strings.TrimRight(log, "\n")
	if lines == "" {
		return ""
	}
	cut := ""
	if n := int64(len(log)); size > n {
		cut = fmt.Sprintf(" (the last %d of %d bytes)", n, size)
	}
	return fmt.Sprintf("  log:%s\n    %s\n", cut, strings.ReplaceAll(terminal.VisibleLines(lines), "\n", "\n    "))
}

// standing describes the current state of the task. now is the time of Redis.
func standing(t *task.Task, now time.Time) string {
	text := "the task is " + terminal.Printable(string(t.State))
	switch {
	case t.State == task.Running:
		text = fmt.Sprintf("attempt %d: running for %s on %s", t.Attempt, terminal.AgeAt(t.StartedAt, now), terminal.Printable(t.Replica))
	case t.State == task.Scheduled && t.Hold:
		text += ", on hold"
	case t.State == task.Scheduled && !t.DueAt.IsZero():
		if left := t.DueAt.Sub(now); left > 0 {
			text += ", due in " + terminal.ShortDuration(left)
		}
	case t.State == task.Succeeded && !t.StartedAt.IsZero():
		return strings.TrimSuffix(attemptEnd(lastAttempt(t), nil), "\n")
	case t.State.Terminal() && string(t.Code) != string(t.State) && t.Code != "":
		text += " (" + terminal.Printable(string(t.Code)) + ")"
	}
	return text
}
