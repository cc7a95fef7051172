package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

func newDoctor(g *globals) *cobra.Command {
	var (
		fix    bool
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check Redis and the pool for problems, and repair broken entries",
		Long: `Check the server (version, eviction policy, persistence, memory, round-trip time), the
permissions of this user, the replicas, and every key of the pool: tasks that are in
no index or in a wrong one, entries without a task, keys of a wrong type. The pool
may be live.

It warns about archivers that stopped, cannot use their database or do not follow the
pool: if an event has waited for more than a minute, or was trimmed before the archive
had it. If LTS_ARCHIVE names an archive, doctor reads that archive itself, too.

--fix repairs broken entries. An entry that cannot be repaired is moved to a key such
as lts:{POOL}:broken:task:ID. There it affects no task, and remains a finding until an
operator deletes it. Settings of the server are never changed. Replicas make the same
repairs during maintenance.

With --json each finding has a "code", a stable word such as queue_unserved. The names in its
text are in "values", the numbers in "figures", such as used_bytes and max_bytes of the
check memory, or ping_ms and script_ms of the round trip.

Exit codes: 0 no open finding, 1 open findings (of severity warning or error and not
fixed, such as an entry that was moved away), 2 wrong usage, 3 Redis unreachable. Notes
do not count. If Redis is unreachable, --json prints a finding of the check server.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := g.inspect(cmd, fix, asJSON)
			if asJSON && exitCode(err) == exitUnreachable {
				err = errors.Join(err, terminal.WriteJSON(cmd.OutOrStdout(), record.OfFinding(unreachable(err))))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "repair broken entries, or move them to keys under broken:")
	addJSON(cmd, &asJSON)
	return cmd
}

// inspect connects to the pool and inspects it.
func (g *globals) inspect(cmd *cobra.Command, fix, asJSON bool) error {
	ctx := cmd.Context()
	c, err := g.openBy(ctx, openForDoctor)
	if err != nil {
		return err
	}
	defer c.Close()
	return redisurl.Unreachable(c.Address, doctor(ctx, cmd, c, fix, asJSON))
}

func doctor(ctx context.Context, cmd *cobra.Command, c *client.Client, fix, asJSON bool) error {
	out := cmd.OutOrStdout()
	walk := terminal.NewBar(cmd.ErrOrStderr(), "entries")
	defer walk.Clear()
	open, fixed := 0, 0
	next := ""
	missing := missingPool(ctx, c)
	for f, err := range inspection(ctx, c, missing, pool.Inspection{Fix: fix, Progress: walk.Set}) {
		if redisurl.IsDenied(err) {
			f, err = lackedRight(err), nil
		}
		if err != nil {
			return errors.Join(err, printNext(out, next))
		}
		if f.Open() {
			open++
		}
		if f.Fixed != "" {
			fixed++
		}
		walk.Clear()
		if asJSON {
			err = terminal.WriteJSON(out, record.OfFinding(f))
		} else {
			// If several findings in a row have the same remedy, it is printed once, after the
			// last.
			if do := remedy(f); do != next {
				err = printNext(out, next)
				next = do
			}
			err = errors.Join(err, printFinding(out, f))
		}
		if err != nil {
			return err
		}
	}
	walk.Clear()
	if !asJSON {
		if err := printNext(out, next); err != nil {
			return err
		}
		summary := "all is well"
		if open > 0 {
			summary = terminal.Count(open, "open finding")
		} else if missing != "" {
			summary = "no open finding; pool " + terminal.Printable(c.Name) + " does not exist yet"
		}
		if fixed > 0 {
			summary += fmt.Sprintf(", %d fixed", fixed)
		}
		if _, err := fmt.Fprintln(out, summary); err != nil {
			return err
		}
	}
	if open > 0 {
		return errReported
	}
	return nil
}

// inspection yields the findings of the pool, the one about its archive last. A pool that does
// not exist yet is the first one: missing is the note about it, "" for none.
func inspection(ctx context.Context, c *client.Client, missing string, how pool.Inspection) iter.Seq2[pool.Finding, error] {
	return func(yield func(pool.Finding, error) bool) {
		if missing != "" && !yield(pool.Finding{Severity: task.SeverityNote, Check: "pool", Code: "pool_missing", What: missing, Do: "check the name: --pool or LTS_POOL"}, nil) {
			return
		}
		for f, err := range c.Inspect(ctx, how) {
			if !yield(f, err) {
				return
			}
		}
		if missing == "" {
			if f, found, err := inspectArchive(ctx, c); found || err != nil {
				yield(f, err)
			}
		}
	}
}

// openForDoctor opens a pool even if the user may not call PING. The missing permission is a
// finding.
func openForDoctor(ctx context.Context, at *redisurl.Target, name string, log *slog.Logger) (*client.Client, error) {
	if err := at.Reach(ctx); err != nil && !redisurl.IsDenied(err) {
		return nil, err
	}
	return client.New(at, name, log)
}

// lackedRight returns the finding that the inspection stopped because the user lacks a permission.
func lackedRight(err error) pool.Finding {
	f := pool.Finding{Severity: task.SeverityError, Check: "rights", Code: "right_missing", What: err.Error(), Do: "grant this user the right, or run doctor as a user that has it"}
	var advised *task.AdvisedError
	if errors.As(err, &advised) {
		f.What, f.Do = advised.Err.Error(), advised.Do
	}
	f.What = "the rest was not checked: " + terminal.TidyError(f.What)
	return f
}

// unreachable returns the finding that Redis cannot be used.
func unreachable(err error) pool.Finding {
	return pool.Finding{Severity: task.SeverityError, Check: "server", Code: "unreachable", What: err.Error(), Do: "start Redis, or correct the URL: --redis or LTS_REDIS"}
}

// findingText is the column in which the text of a finding begins.
const findingText = 22

func printFinding(w io.Writer, f pool.Finding) error {
	mark := string(f.Severity)
	if f.Fixed != "" {
		mark = "fixed"
	}
	text := terminal.Visible(f.What)
	if f.Key != "" {
		text = terminal.Printable(f.Key) + ": " + text
	}
	_, err := fmt.Fprintf(w, "%-7s  %-11s  %s\n", mark, terminal.Visible(f.Check), terminal.Indented(text, findingText, terminal.Width(w)))
	return err
}

// remedy returns the advice for a finding, or the repair that was made.
func remedy(f pool.Finding) string {
	if f.Fixed != "" {
		return f.Fixed
	}
	return f.Do
}

// printNext prints the remedy of the findings above it. "" means none.
func printNext(w io.Writer, remedy string) error {
	if remedy == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%*s→ %s\n", findingText, "", terminal.Indented(terminal.Visible(remedy), findingText+2, terminal.Width(w)))
	return err
}
