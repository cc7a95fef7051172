package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newArchiveGet(g *globals) *cobra.Command {
	var (
		at     archiveFlag
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "get ID...",
		Short: "Show archived tasks with their attempts and events",
		Long: `Show the tasks that had an ID, the newest first, with their attempts and events. Each
generation is shown by itself: a retry by an operator begins another one. "incomplete"
means that events of the task were lost, "not read" that Redis had removed the task
before its payload was read.`,
		Args: between(1, -1, "a task's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			name, err := g.poolName("")
			if err != nil {
				return err
			}
			return at.with(cmd, func(ctx context.Context, db *archive.DB) error {
				return archiveGet(ctx, cmd, db, name, ids, asJSON)
			})
		},
	}
	at.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func archiveGet(ctx context.Context, cmd *cobra.Command, db *archive.DB, pool string, ids []string, asJSON bool) error {
	missing, shown := false, 0
	for _, id := range ids {
		records, err := db.Get(ctx, pool, id)
		if errors.Is(err, task.ErrNotFound) {
			missing = true
			reportMissing(cmd, id)
			continue
		}
		if err != nil {
			return err
		}
		for _, r := range records {
			if asJSON {
				err = terminal.WriteJSON(cmd.OutOrStdout(), recordArchived(r))
			} else {
				if shown > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				err = showArchived(cmd.OutOrStdout(), r)
			}
			if err != nil {
				return err
			}
			shown++
		}
	}
	if missing {
		return errReported
	}
	return nil
}

func showArchived(w io.Writer, r archive.Record) error {
	tab := terminal.NewTable(w)
	line := func(name, value string) {
		if value != "" {
			tab.Row(name, value)
		}
	}
	when := func(name string, at time.Time) {
		if !at.IsZero() {
			tab.Row(name, terminal.LocalTime(at))
		}
	}
	line("id", terminal.Printable(r.ID))
	line("kind", terminal.Printable(r.Kind))
	line("queue", terminal.Printable(r.Queue))
	line("state", terminal.Printable(string(r.State)))
	line("code", terminal.Printable(string(r.Code)))
	line("error", terminal.Printable(r.Error))
	line("orphan", terminal.Printable(r.Orphan))
	line("group", terminal.Printable(r.Group))
	line("unique", terminal.Printable(r.Unique))
	line("generation", strconv.Itoa(r.Generation))
	line("attempt", strconv.FormatInt(r.Attempt, 10))
	line("replica", terminal.Printable(r.Replica))
	if r.CreatedKnown {
		when("created", r.CreatedAt)
	} else {
		line("created", "before "+terminal.LocalTime(r.CreatedAt))
	}
	when("started", r.StartedAt)
	when("ended", r.EndedAt)
	if r.Run > 0 {
		line("run", terminal.Duration(r.Run))
	}
	if !r.Complete {
		line("events", "incomplete")
	}
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		line("header", terminal.Printable(k)+" = "+terminal.Printable(r.Headers[k]))
	}
	if r.RecordVersion == 0 && len(r.Payload) == 0 {
		line("payload", "not read")
	}
	line("payload", content(r.Payload))
	line("progress", content(r.Progress))
	if r.Exported {
		line("exported to", content(r.Result))
	} else {
		line("result", content(r.Result))
	}
	if len(r.Result) == 0 && r.ResultBytes > 0 {
		line("result", fmt.Sprintf("not read: %d bytes", r.ResultBytes))
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, a := range r.Attempts {
		hosts := map[string]task.Host{a.Replica: {Name: a.Host, IP: a.IP}}
		text := fmt.Sprintf("attempt %d: no end seen, started at %s on %s\n", a.Attempt, terminal.LocalTime(a.StartedAt), onHost(a.Replica, hosts))
		if !a.EndedAt.IsZero() {
			text = attemptEnd(task.AttemptRecord{Attempt: a.Attempt, Code: a.Code, At: a.EndedAt, Run: a.Run, Replica: a.Replica, Error: a.Error}, hosts)
		}
		if _, err := io.WriteString(w, text+logText(a.Log, a.LogSize)); err != nil {
			return err
		}
	}
	for _, e := range r.Events {
		if _, err := fmt.Fprintln(w, strings.Join(archivedEventCells(e), " ")); err != nil {
			return err
		}
	}
	return nil
}

func archivedEventCells(e archive.Event) []string {
	cells := []string{terminal.LocalTimeMS(e.At), fmt.Sprintf("%-9s", terminal.Printable(string(e.State))), fmt.Sprint("v=", e.Version)}
	if e.Code != "" {
		cells = append(cells, "code="+terminal.Printable(string(e.Code)))
	}
	if e.Attempt > 0 {
		cells = append(cells, fmt.Sprint("attempt=", e.Attempt), "replica="+terminal.Printable(e.Replica))
	}
	return cells
}
