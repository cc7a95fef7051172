package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/config"
	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func newGet(g *globals) *cobra.Command {
	var (
		asJSON bool
		unique textFlag
		file   string
	)
	cmd := &cobra.Command{
		Use:   "get (ID... | --unique KEY)",
		Short: "Show tasks with their results and failed attempts",
		Long: `Show tasks with their results and failed attempts. For a waiting task it shows why it
does not start: a pause, a limit, no replica for it, or no free slot. "held by" names
running tasks that hold the limit or the slots, as "held_by" does in the output of
--json; "held_by_more" is the number of others. "slow since" is when a running attempt
passed its soft timeout, within a second. A replica is followed by its host and its IP
address, also after it has left: the pool keeps those of the newest 10,000 replicas that
left in the last 30 days. "last attempt" is how an earlier attempt of a
live task ended. "unique" is the unique key; one that is no name is shown as "#" and the
hash of its text, by which ls --unique TEXT finds it.

A result that an exporter has saved is shown as its reference, or as it is with the config
file of a replica that has the exporter.

With --unique it shows the live task that has the key or, if there is none, the task
with the key that ended last. That task is found among the 10,000 ended tasks of each
state that are kept longest.`,
		Args: func(cmd *cobra.Command, ids []string) error {
			if unique != "" {
				return between(0, 0, "")(cmd, ids)
			}
			return between(1, -1, "a task's ID")(cmd, ids)
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if unique != "" {
					t, err := c.ByUnique(ctx, string(unique))
					if err != nil {
						return err
					}
					ids = []string{t.ID}
				}
				exports, err := readExports(c, file)
				if err != nil {
					return err
				}
				return get(ctx, cmd, c, ids, asJSON, exports)
			})
		},
	}
	cmd.Flags().Var(&unique, "unique", "show the task with the unique `KEY`, as it was enqueued or as it is shown")
	cmd.Flags().StringVarP(&file, "config", "c", "", "load results that were exported, as the config `FILE` of their replicas says")
	addJSON(cmd, &asJSON)
	return cmd
}

// readExports returns the exports of a config file; nil without a file.
func readExports(c *client.Client, file string) (map[string]pool.Export, error) {
	if file == "" {
		return nil, nil
	}
	cfg, err := config.Read(file)
	if err == nil {
		err = cfg.OpenExports(c.Name)
	}
	if err == nil {
		err = cfg.Err()
	}
	if err != nil {
		return nil, &inputError{err}
	}
	return cfg.Pool.Exports, nil
}

// load replaces the reference in a task by the result, if exports has the exporter of its kind.
func load(ctx context.Context, t *task.Task, exports map[string]pool.Export) (err error) {
	e, known := exports[t.Kind]
	if !t.Exported || !known {
		return nil
	}
	if t.Result, err = e.Exporter.Load(ctx, t.Result); err == nil {
		t.Exported = false
	}
	return err
}

func get(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, asJSON bool, exports map[string]pool.Export) error {
	tasks, err := c.Store.Get(ctx, ids...)
	if err != nil {
		return err
	}
	missing, shown, waiting := false, 0, holdup.New(c.Pool)
	for i, t := range tasks {
		if t == nil {
			missing = true
			reportMissing(cmd, ids[i])
			continue
		}
		if err := load(ctx, t, exports); err != nil {
			return fmt.Errorf("the result of %s: %w", terminal.Printable(t.ID), err)
		}
		if asJSON {
			err = writeTask(ctx, cmd.OutOrStdout(), c, waiting, t)
		} else {
			if shown > 0 {
				fmt.Fprintln(cmd.OutOrStdout())
			}
			err = showTask(ctx, cmd.OutOrStdout(), c, waiting, t)
		}
		if err != nil {
			return err
		}
		shown++
	}
	if missing {
		return errReported
	}
	return nil
}

// writeTask prints a task as JSON, with its failed attempts and the running tasks that hold what it
// waits for.
func writeTask(ctx context.Context, w io.Writer, c *client.Client, waiting *holdup.Finder, t *task.Task) error {
	history, err := c.History(ctx, t.ID)
	if err != nil {
		return err
	}
	hosts, err := hostsOf(ctx, c, t, history)
	if err != nil {
		return err
	}
	r := record.OfTask(t, history)
	r.SetHosts(hosts)
	if t.State == task.Waiting {
		now, err := c.Now(ctx)
		if err != nil {
			return err
		}
		holders, more, err := waiting.Holders(ctx, t)
		if err != nil {
			return err
		}
		for _, h := range holders {
			r.HeldBy = append(r.HeldBy, record.Holder{ID: h.ID, Replica: h.Replica, RunMS: max(now.Sub(h.StartedAt).Milliseconds(), 0)})
		}
		if len(holders) > 0 {
			r.HeldByMore = more
		}
	}
	return terminal.WriteJSON(w, r)
}

// showTask prints a task as text, with its failed attempts and what it waits for.
func showTask(ctx context.Context, w io.Writer, c *client.Client, waiting *holdup.Finder, t *task.Task) error {
	history, err := c.History(ctx, t.ID)
	if err != nil {
		return err
	}
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	waits, held := "", ""
	if t.State == task.Scheduled && t.Hold {
		waits = "ltsworker start: it is on hold"
	}
	if t.State == task.Exporting {
		waits = "a save of its result, in queue " + task.ExportQueue + terminal.Printable(t.Kind)
	}
	if t.State == task.Waiting || t.Unowned {
		if waits, err = waiting.Line(ctx, t); err != nil {
			return err
		}
		holders, more, err := waiting.Holders(ctx, t)
		if err != nil {
			return err
		}
		held = heldBy(holders, more, now)
	}
	hosts, err := hostsOf(ctx, c, t, history)
	if err != nil {
		return err
	}
	return printTask(w, t, now, waits, held, history, hosts)
}

// hostsOf reads where the replicas of a task and of its attempts run, or ran until they left.
func hostsOf(ctx context.Context, c *client.Client, t *task.Task, history []task.AttemptRecord) (map[string]task.Host, error) {
	replicas := []string{t.Replica}
	for _, a := range history {
		replicas = append(replicas, a.Replica)
	}
	return c.Hosts(ctx, replicas...)
}

// onHost returns a replica with its host and its IP address, as far as they are known:
// "1x2y3z (web-1, 10.0.0.7)".
func onHost(replica string, hosts map[string]task.Host) string {
	text := terminal.Printable(replica)
	if where := hosts[replica].String(); where != "" {
		text += " (" + terminal.Printable(where) + ")"
	}
	return text
}

func reportMissing(cmd *cobra.Command, id string) {
	fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s: %v\n", id, task.ErrNotFound)
}

func checkIDs(ids []string) error {
	for _, id := range ids {
		if err := task.CheckName(id); err != nil {
			return usagef("the ID %s %v", terminal.Quoted(id), err)
		}
	}
	return nil
}

// printTask prints a task as text. now is the time of Redis. waits is what the task waits for, and
// held who has it; "" for none. hosts has the hosts of replicas.
func printTask(w io.Writer, t *task.Task, now time.Time, waits, held string, history []task.AttemptRecord, hosts map[string]task.Host) error {
	tab := terminal.NewTable(w)
	line := func(name, value string) {
		if value != "" {
			tab.Row(name, value)
		}
	}
	when := func(name string, at time.Time) {
		if !at.IsZero() {
			tab.Row(name, terminal.LocalTime(at)+" ("+terminal.RelativeTo(at, now)+")")
		}
	}
	line("id", terminal.Printable(t.ID))
	line("kind", terminal.Printable(t.Kind))
	line("queue", terminal.Printable(t.Queue))
	line("state", terminal.Printable(string(t.State)))
	line("waits for", waits)
	line("held by", held)
	if t.State.Terminal() {
		line("code", terminal.Printable(string(t.Code)))
		line("error", terminal.Printable(t.Error))
	} else {
		line("last attempt", terminal.Printable(strings.Trim(string(t.Code)+": "+t.Error, ": ")))
	}
	line("stop reason", terminal.Printable(t.StopWhy))
	line("priority", fmt.Sprint(t.Priority))
	line("group", terminal.Printable(t.Group))
	line("labels", terminal.Printable(strings.Join(t.Labels, " ")))
	line("unique", terminal.Printable(t.Unique))
	if t.Reply {
		line("reply", "yes")
	}
	line("shard", shardLine(t))
	line("shards", shardsLine(t))
	line("after", terminal.Printable(t.After))
	line("then", thenLine(t))
	line("attempt", fmt.Sprintf("%d (%d failed, %d lost, put back by hand %d times)", t.Attempt, t.Failures, t.Lost, t.Generation))
	line("replica", onHost(t.Replica, hosts))
	when("created", t.CreatedAt)
	when("due", dueAt(t))
	when("started", t.StartedAt)
	when("slow since", t.SlowAt)
	when("outside until", t.OutsideUntil)
	when("ended", t.EndedAt)
	when("expires", t.ExpiresAt)
	when("deadline", t.DeadlineAt)
	for _, k := range slices.Sorted(maps.Keys(t.Headers)) {
		line("header", terminal.Printable(k)+" = "+terminal.Printable(t.Headers[k]))
	}
	line("payload", content(t.Payload))
	line("progress", content(t.Progress))
	if !t.CheckpointAt.IsZero() {
		line("checkpoint", fmt.Sprintf("%s (%d bytes, %s)", terminal.Cut(content(t.LastCheckpoint), 200), len(t.LastCheckpoint), terminal.RelativeTo(t.CheckpointAt, now)))
	}
	line("job", terminal.Printable(t.Job))
	line("clean-up", terminal.Printable(string(t.CleanUp)))
	line("orphan", terminal.Printable(t.Orphan))
	if t.StagedBytes > 0 || t.SavesFailed > 0 {
		line("staged", fmt.Sprintf("a result of %d bytes (%d failed saves)", t.StagedBytes, t.SavesFailed))
	}
	when("next save", t.SaveAt)
	if t.Exported {
		line("exported to", content(t.Result))
	} else {
		line("result", content(t.Result))
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if err := printHistory(w, history, hosts); err != nil {
		return err
	}
	if t.Log == "" {
		return nil
	}
	_, err := fmt.Fprint(w, standing(t, now)+"\n"+logText(t.Log, t.LogSize))
	return err
}

// dueAt returns when a task that does not run is or was due, zero for others.
func dueAt(t *task.Task) time.Time {
	if t.State == task.Scheduled || t.State == task.Waiting {
		return t.DueAt
	}
	return time.Time{}
}

// heldBy returns a line that names running tasks, and says how many others there are.
func heldBy(holders []*task.Task, more int, now time.Time) string {
	var parts []string
	for _, t := range holders {
		parts = append(parts, terminal.Printable(t.ID)+" (on "+terminal.Printable(t.Replica)+" for "+terminal.AgeAt(t.StartedAt, now)+")")
	}
	if more > 0 && len(parts) > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

// content returns bytes from other programs as printable text, without the newline at the end.
func content(b []byte) string { return terminal.Printable(strings.TrimSuffix(string(b), "\n")) }
