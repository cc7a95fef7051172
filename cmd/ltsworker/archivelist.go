package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// archiveStates are the states of ended tasks in an archive.
func archiveStates() []task.State { return append(pool.EndedStates(), archive.Unknown) }

// archivePage is how many tasks one query reads.
const archivePage = 1000

func newArchiveList(g *globals) *cobra.Command {
	var (
		l  archiveListing
		at archiveFlag
	)
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List archived tasks, the latest end first",
		Long: `List the archived tasks of the pool, the latest end first. A task is listed if it
matches every flag. It matches a flag if it matches one of its values, which are
separated by commas or given by repeating the flag. The state unknown is that of tasks
whose end was lost in a gap.

If there are more tasks than --limit, the last line names the value of --after that
lists the next ones. With --limit 0 all are listed, page by page.`,
		Example: `  ltsworker archive ls --state failed --since 24h
  ltsworker archive ls --kind email.send --error "connection refused" --limit 0 --json
  ltsworker archive ls --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --group acme`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := l.check(); err != nil {
				return err
			}
			if l.filter.Pool, err = g.poolName(""); err != nil {
				return err
			}
			return at.with(cmd, func(ctx context.Context, db *archive.DB) error { return l.run(ctx, cmd, db) })
		},
	}
	flags := cmd.Flags()
	flags.Var((*listFlag)(&l.states), "state", "select tasks in these `STATES`: "+strings.Join(namesOf(archiveStates()), " "))
	flags.Var((*listFlag)(&l.filter.Kinds), "kind", "select tasks of these `KINDS`")
	flags.Var((*listFlag)(&l.filter.Queues), "queue", "select tasks in these `QUEUES`")
	flags.Var((*listFlag)(&l.filter.Groups), "group", "select tasks of these `GROUPS`")
	flags.Var((*listFlag)(&l.filter.Codes), "code", "select tasks that ended with these reason `CODES`")
	flags.Var((*textFlag)(&l.filter.Error), "error", "select tasks whose error contains `TEXT`, in upper or lower case")
	flags.BoolVar(&l.filter.Orphan, "orphan", false, "select tasks whose external job may still run")
	flags.BoolVar(&l.filter.Exported, "exported", false, "select tasks whose result an exporter has saved")
	flags.Var(&l.since, "since", "select tasks that ended at most this `DURATION` ago")
	flags.Var(&l.from, "from", "select tasks that ended at this `TIME` or later")
	flags.Var(&l.to, "to", "select tasks that ended before this `TIME`")
	flags.Var((*textFlag)(&l.after), "after", "continue after this `POSITION`, which the list before named")
	flags.IntVar(&l.limit, "limit", 100, "list at most this many; 0 lists all")
	at.add(cmd)
	addJSON(cmd, &l.asJSON)
	return cmd
}

// archiveListing is one list of archived tasks.
type archiveListing struct {
	filter   archive.Filter
	states   []string
	since    durationFlag
	from, to timeFlag
	after    string
	limit    int
	asJSON   bool
}

func (l *archiveListing) check() error {
	for _, s := range l.states {
		if !slices.Contains(archiveStates(), task.State(s)) {
			return usagef("--state must be one of %s, not %s", strings.Join(namesOf(archiveStates()), " "), terminal.Quoted(s))
		}
		l.filter.States = append(l.filter.States, task.State(s))
	}
	if l.limit < 0 {
		return usagef("--limit must not be negative; 0 lists all")
	}
	if l.since.set && !l.from.value.IsZero() {
		return usagef("--since and --from exclude each other")
	}
	l.filter.Since, l.filter.Before, l.filter.Brief = l.from.value, l.to.value, !l.asJSON
	if l.since.set {
		l.filter.Since = time.Now().Add(-l.since.value)
	}
	return nil
}

func (l *archiveListing) run(ctx context.Context, cmd *cobra.Command, db *archive.DB) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out, "ID", "KIND", "QUEUE", "STATE", "ATTEMPT", "ENDED", "RUN", "CODE", "NOTE", "ERROR")
	tab.Spare("QUEUE", "ATTEMPT", "RUN", "CODE", "NOTE")
	tab.Paint("STATE", stateStyle)
	listed, after := 0, l.after
	for {
		size := archivePage
		if l.asJSON {
			size = archivePage / 10 // with payloads and results
		}
		if l.limit > 0 {
			size = min(size, l.limit-listed)
		}
		page, err := db.Tasks(ctx, l.filter, after, size)
		if err != nil {
			return err
		}
		for _, t := range page.Tasks {
			if l.asJSON {
				if err := terminal.WriteJSON(out, recordArchived(archive.Record{Task: t})); err != nil {
					return err
				}
				continue
			}
			tab.Row(terminal.Printable(t.ID), terminal.Printable(t.Kind), terminal.Printable(t.Queue), terminal.Printable(string(t.State)), strconv.FormatInt(t.Attempt, 10),
				terminal.LocalTime(t.EndedAt), terminal.ShortDuration(t.Run), terminal.Printable(string(t.Code)), archivedNote(t), terminal.Printable(terminal.Cut(t.Error, listedText)))
		}
		listed, after = listed+len(page.Tasks), page.Next
		if listed == 0 {
			return reportNone(cmd, "no task of pool "+l.filter.Pool+" in the archive matches")
		}
		if !l.asJSON {
			if err := tab.Flush(); err != nil {
				return err
			}
		}
		if after == "" {
			return nil
		}
		if l.limit > 0 && listed >= l.limit {
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: there are more than %d; --after %s lists the next, --limit 0 lists all\n", l.limit, after)
			return err
		}
	}
}

// archivedNote returns whether an exporter has the result of a task, and whether its job may
// still go on.
func archivedNote(t *archive.Task) string {
	switch {
	case t.Orphan != "":
		return "orphan"
	case t.Exported:
		return "exported"
	}
	return ""
}
