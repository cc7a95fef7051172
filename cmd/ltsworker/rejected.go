package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newRejected(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rejected COMMAND",
		Short: "Show, put back or drop inbox entries that became no task",
		Long: `Show, put back or drop the entries of the inbox that could not become tasks: they are
invalid, their id or unique key is taken, or their queue is full. About the newest
10,000 are kept, of each at most the first 16 KiB.`,
		Example: `  ltsworker rejected list
  ltsworker rejected show 1731990000000-0
  ltsworker rejected show 1731990000000-0 --raw > entry.json
  ltsworker rejected put-back 1731990000000-0 --file entry.json
  ltsworker rejected drop --all`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRejectedList(g), newRejectedShow(g), newRejectedPutBack(g), newRejectedDrop(g))
	return cmd
}

func newRejectedList(g *globals) *cobra.Command {
	var (
		limit  int
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List rejected entries, newest first",
		Long: `List rejected entries, newest first, with their age by the clock of Redis, the reason
and the beginning of their text.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit must not be negative; 0 lists all")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return listRejected(ctx, cmd, c, limit, asJSON)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "list at most this many; 0 lists all")
	addJSON(cmd, &asJSON)
	return cmd
}

// listedText is how many characters of a reason or of an entry a list shows.
const listedText = 500

func listRejected(ctx context.Context, cmd *cobra.Command, c *client.Client, limit int, asJSON bool) error {
	out := cmd.OutOrStdout()
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	tab := terminal.NewTable(out, "ID", "AGE", "CODE", "REASON", "ENTRY")
	n, more := 0, false
	for r, err := range c.Rejected(ctx) {
		if err != nil {
			return err
		}
		if more = limit > 0 && n == limit; more {
			break
		}
		n++
		if asJSON {
			err = terminal.WriteJSON(out, record.OfReject(&r, now))
		} else {
			tab.Row(r.ID, terminal.AgeAt(r.At, now), terminal.Printable(r.Code),
				terminal.Printable(terminal.Cut(r.Reason, listedText)), terminal.Printable(terminal.Cut(r.Entry, listedText)))
			if n%1000 == 0 {
				err = tab.Flush()
			}
		}
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return reportNone(cmd, "pool "+c.Name+" holds no rejected entry")
	}
	if !asJSON {
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: there are more than %d; --limit 0 lists all\n", limit)
	}
	return nil
}

func newRejectedShow(g *globals) *cobra.Command {
	var asJSON, raw bool
	cmd := &cobra.Command{
		Use:   "show ID...",
		Short: "Show rejected entries with their whole text",
		Long: `Show rejected entries with the reason and the text, as far as it is kept. In the
output of --json the text is in "entry" if it is JSON, in "entry_text" if it is other
text, and else in "entry_base64". --raw prints only the text of one entry, byte for
byte, to edit it for put-back.`,
		Args: between(1, -1, "an entry's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkRejectIDs(ids); err != nil {
				return err
			}
			if raw && (asJSON || len(ids) > 1) {
				return usagef("--raw takes one ID and not --json")
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return showRejected(ctx, cmd, c, ids, asJSON, raw)
			})
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print only the text of the entry")
	addJSON(cmd, &asJSON)
	return cmd
}

// rejectID is the id of a rejected entry, its position in a Redis stream.
var rejectID = regexp.MustCompile(`^[0-9]{1,19}-[0-9]{1,19}$`)

func checkRejectIDs(ids []string) error {
	for _, id := range ids {
		if !rejectID.MatchString(id) {
			return usagef("the ID of a rejected entry is like 1731990000000-0, not %s", terminal.Quoted(id))
		}
	}
	return nil
}

func showRejected(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, asJSON, raw bool) error {
	out, shown, missing := cmd.OutOrStdout(), 0, false
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := c.GetRejected(ctx, id)
		switch {
		case errors.Is(err, task.ErrNoReject):
			fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s: %v\n", id, task.ErrNoReject)
			missing = true
			continue
		case err != nil:
			return err
		case asJSON:
			err = terminal.WriteJSON(out, record.OfReject(r, now))
		case raw && r.Cut():
			err = fmt.Errorf("%s: only the first %d of %d bytes of the entry are kept", id, len(r.Entry), r.Bytes)
		case raw:
			_, err = io.WriteString(out, r.Entry)
		default:
			if shown > 0 {
				fmt.Fprintln(out)
			}
			err = printReject(out, r, now)
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

// printReject prints a rejected entry as text. now is the time of Redis.
func printReject(w io.Writer, r *task.Reject, now time.Time) error {
	tab := terminal.NewTable(w)
	tab.Row("id", r.ID)
	tab.Row("rejected", terminal.LocalTime(r.At)+" ("+terminal.RelativeTo(r.At, now)+")")
	tab.Row("code", terminal.Printable(r.Code))
	tab.Row("reason", terminal.Printable(r.Reason))
	if r.Task != "" {
		tab.Row("task", terminal.Printable(r.Task))
	}
	size := terminal.Count(r.Bytes, "byte")
	if r.Cut() {
		size += fmt.Sprintf("; cut: only the first %d are kept", len(r.Entry))
	}
	tab.Row("size", size)
	tab.Row("entry", content([]byte(r.Entry)))
	return tab.Flush()
}
