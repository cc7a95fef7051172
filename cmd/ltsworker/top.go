package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/top"
	"github.com/ltsworker/ltsworker/task"
)

func newTop(g *globals) *cobra.Command {
	every := durationFlag{value: time.Second, set: true}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the pool in the terminal, and pause, resume, stop, retry, run now and drain with a key",
		Long: `Watch the pool: its queues, running tasks, replicas, kept failed tasks and groups.
Enter opens what a line shows: the settings and tasks of a queue, a task as get shows
it with the log of its attempts, the holders of a group, the whole error of a failure.
Failed tasks of one kind whose errors differ only in numbers are one line; the title of its page has # for each number.

` + top.Help() + `

Before a key changes tasks, a replica or the whole pool, top asks. For tasks the
question has their number. A queue is paused at once, because r resumes it. A user who
may only read gets "read-only user" in place of these keys.

Groups with blocked tasks are first, then those that use most of their limit. After a
change of the order (> or o, <, O) top shows the first lines.

All counts of tasks are of one instant: live and ended tasks together are as many as
were enqueued and retried by hand. "leases lost" counts the leases that ended without a
report. If more than 1000 tasks run, the table has some of them, and RUNNING of a
replica is that of its last heartbeat. Of more than 2000 failed tasks it shows the
newest. A terminal of 80 by 24 shows every table, a wider one more columns. Programs
use queues, replicas and ls with --json.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every.value < 100*time.Millisecond {
				return usagef("--every must be at least 100ms")
			}
			if !terminal.IsTerminal(cmd.OutOrStdout()) || !terminal.IsTerminal(cmd.InOrStdin()) {
				return usagef("top needs a terminal; a program reads queues --json and replicas --json")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return top.Run(ctx, c, top.Options{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Every: every.value, Task: func(ctx context.Context, w io.Writer, t *task.Task) error {
					return showTask(ctx, w, c, holdup.New(c.Pool), t)
				}})
			})
		},
	}
	cmd.Flags().Var(&every, "every", "time between two updates")
	return cmd
}
