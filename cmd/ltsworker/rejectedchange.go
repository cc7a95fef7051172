package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/batch"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func newRejectedPutBack(g *globals) *cobra.Command {
	var (
		entry, file textFlag
		asJSON      bool
	)
	cmd := &cobra.Command{
		Use:   "put-back ID... [--entry JSON | --file FILE]",
		Short: "Put rejected entries back into the inbox, as they are or with another text",
		Long: `Put rejected entries back, at the end of the inbox. --entry or --file replaces the text
of one entry; without them the text stays as it is. A replica then makes a task of the
entry, or rejects it again as a new entry.

If several operators put the same entry back, it is put back once; the others get an
error. A text that cannot become a task is refused, and the entry stays. An entry of
which only the beginning is kept needs --entry or --file with the whole text.`,
		Example: `  ltsworker rejected put-back 1731990000000-0
  ltsworker rejected put-back 1731990000000-0 --entry '{"kind":"email.send","priority":5}'
  edit | ltsworker rejected put-back 1731990000000-0 --file -`,
		Args: between(1, -1, "an entry's ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkRejectIDs(ids); err != nil {
				return err
			}
			ids = client.Distinct(ids)
			switch {
			case entry != "" && file != "":
				return usagef("give either --entry or --file, not both")
			case len(ids) > 1 && (entry != "" || file != ""):
				return usagef("--entry and --file go with one ID")
			}
			text := []byte(entry)
			if entry == "" {
				text = nil
			}
			if file != "" {
				err := terminal.Interruptibly(cmd.Context(), func() (err error) {
					text, err = readEntry(string(file), cmd.InOrStdin())
					return err
				})
				if err != nil {
					return err
				}
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return putBack(ctx, cmd, c, ids, text, asJSON)
			})
		},
	}
	cmd.Flags().Var(&entry, "entry", "the `JSON` to put into the inbox instead of the entry's text")
	cmd.Flags().Var(&file, "file", "read the text from `FILE`, - for standard input")
	addJSON(cmd, &asJSON)
	return cmd
}

// readEntry reads the text of an entry. It is never nil.
func readEntry(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		name = "standard input"
	} else {
		file, err := batch.Open(name)
		if err != nil {
			return nil, &inputError{fmt.Errorf("open the entry: %w", err)}
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, redisstore.MaxEntry+1))
	if err != nil {
		return nil, fmt.Errorf("read the entry from %s: %w", name, err)
	}
	return text, nil
}

func putBack(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, text []byte, asJSON bool) error {
	n := 0
	var errs []error
	for _, id := range ids {
		err := c.PutBack(ctx, id, text)
		switch {
		case err == nil:
			n++
		case errors.Is(err, task.ErrRejectCut):
			errs = append(errs, fmt.Errorf("%w with --entry or --file", err))
		default:
			errs = append(errs, err)
		}
		if err != nil && !errors.Is(err, task.ErrNoReject) && !errors.Is(err, task.ErrRejectCut) {
			break
		}
	}
	if n == 0 && len(errs) > 0 {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, reportEntries(cmd.OutOrStdout(), "put-back", "put back", n, asJSON))...)
}

func newRejectedDrop(g *globals) *cobra.Command {
	var all, yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "drop (ID... | --all --yes)",
		Short: "Remove rejected entries",
		Long: `Remove rejected entries by their IDs, or all of them. With --all, the command shows
their number and asks for confirmation at a terminal. A yes applies to these entries,
not to entries that are rejected later. --yes skips the question. Without a terminal
the command drops nothing unless --yes is set.`,
		Example: `  ltsworker rejected drop 1731990000000-0
  ltsworker rejected drop --all --yes`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			switch {
			case all && len(ids) > 0:
				return usagef("give either IDs or --all, not both")
			case !all && len(ids) == 0:
				return usagef("say which entries to drop: by ID, or --all")
			}
			if err := checkRejectIDs(ids); err != nil {
				return err
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				if all {
					return dropAll(ctx, cmd, c, yes, asJSON)
				}
				return drop(ctx, cmd, c, ids, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "drop all rejected entries of the pool")
	cmd.Flags().BoolVar(&yes, "yes", false, "with --all: drop them without asking")
	addJSON(cmd, &asJSON)
	return cmd
}

func drop(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, asJSON bool) error {
	n, err := c.DropRejected(ctx, ids...)
	if n == 0 && err != nil {
		return err
	}
	return errors.Join(err, reportEntries(cmd.OutOrStdout(), "drop", "dropped", n, asJSON))
}

// dropAll drops the entries that are there when it is called. Unless yes is set, it asks for
// confirmation on the terminal first. Without a terminal it returns an error.
func dropAll(ctx context.Context, cmd *cobra.Command, c *client.Client, yes, asJSON bool) error {
	s, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	bar := terminal.NewBar(cmd.ErrOrStderr(), "entries read")
	defer bar.Clear()
	var ids []string
	for r, err := range c.Rejected(ctx) {
		if err != nil {
			return err
		}
		ids = append(ids, r.ID)
		bar.Set(len(ids), s.Rejected)
	}
	bar.Clear()
	if !yes {
		question := fmt.Sprintf("%s would be dropped", countEntries(len(ids)))
		if !terminal.CanAsk(cmd.InOrStdin(), cmd.ErrOrStderr()) {
			return &inputError{errors.New(question + "; nothing was changed: add --yes to do it")}
		}
		if len(ids) > 0 {
			if err := terminal.Confirm(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), question+". Go on?"); err != nil {
				return err
			}
		}
	}
	n, err := c.DropRejected(ctx, ids...)
	if err != nil && onlyMissing(err) {
		err = nil // another operator has put back or dropped entries meanwhile
	}
	if n == 0 && err != nil {
		return err
	}
	return errors.Join(err, reportEntries(cmd.OutOrStdout(), "drop", "dropped", n, asJSON))
}

// onlyMissing reports whether every part of the error says that an entry does not exist.
func onlyMissing(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			if !onlyMissing(part) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, task.ErrNoReject)
}

// entriesRecord is what a command did with rejected entries in JSON output.
type entriesRecord struct {
	Action  string `json:"action"`
	Entries int    `json:"entries"`
}

// reportEntries prints how many rejected entries were changed.
func reportEntries(out io.Writer, action, past string, n int, asJSON bool) error {
	if asJSON {
		return terminal.WriteJSON(out, entriesRecord{action, n})
	}
	_, err := fmt.Fprintf(out, "%s %s\n", past, countEntries(n))
	return err
}

func countEntries(n int) string {
	if n == 1 {
		return "1 rejected entry"
	}
	return fmt.Sprintf("%d rejected entries", n)
}
