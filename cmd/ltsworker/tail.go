package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

func newTail(g *globals) *cobra.Command {
	var (
		from   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show every change of state as it happens",
		Long: `Show the event stream: one line for every change of state of every task, until
interrupted. Every reader sees all events. During an outage of Redis the command tries
again and then continues after the last event.

--from 0 starts at the oldest event that is kept. --from CURSOR starts after the events
with this cursor, which is in the JSON output. Events of one entry of the stream have
the same cursor; all but the last have "more":true. If events were trimmed before they
were read, a line reports this.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" && !cursor.MatchString(from) {
				return usagef("--from must be 0 or a cursor such as 1767225600000-0, not %s", terminal.Quoted(from))
			}
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return tail(ctx, cmd, c, from, asJSON)
			})
		},
	}
	cmd.Flags().Var((*textFlag)(&from), "from", "`CURSOR` to start after; 0 is the beginning (default new events only)")
	addJSON(cmd, &asJSON)
	return cmd
}

// cursor is the id of an entry of a Redis stream.
var cursor = regexp.MustCompile(`^[0-9]{1,19}(-[0-9]{1,19})?$`)

func tail(ctx context.Context, cmd *cobra.Command, c *client.Client, from string, asJSON bool) error {
	out := cmd.OutOrStdout()
	screen := terminal.IsTerminal(out)
	for e, err := range c.Events(ctx, from) {
		var trimmed *task.TrimmedError
		switch {
		case errors.As(err, &trimmed):
			fmt.Fprintf(cmd.ErrOrStderr(), "ltsworker: %s\n", terminal.Visible(trimmed.Error()))
			continue
		case err != nil:
			return err
		}
		if asJSON {
			err = terminal.WriteJSON(out, record.OfEvent(e))
		} else {
			cells := eventCells(e)
			if screen {
				for i, c := range cells {
					cells[i] = terminal.Isolated(c)
				}
			}
			_, err = fmt.Fprintln(out, strings.Join(cells, " "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eventCells returns the cells of the line that shows an event as text.
func eventCells(e task.Event) []string {
	at := "-" // for a broken event
	if !e.At.IsZero() {
		at = terminal.LocalTimeMS(e.At)
	}
	if e.Trigger != "" {
		return []string{at, "late     ", "trigger=" + terminal.Printable(e.Trigger), "planned=" + terminal.LocalTimeMS(e.Planned)}
	}
	cells := []string{at, fmt.Sprintf("%-9s", terminal.Printable(string(e.State))), terminal.Printable(e.ID), terminal.Printable(e.Kind), "queue=" + terminal.Printable(e.Queue)}
	add := func(name, value string) {
		if value != "" {
			cells = append(cells, name+"="+value)
		}
	}
	add("group", terminal.Printable(e.Group))
	add("code", terminal.Printable(string(e.Code)))
	if e.Attempt > 0 {
		add("attempt", fmt.Sprint(e.Attempt))
	}
	if e.Wait > 0 {
		add("wait", terminal.Duration(e.Wait))
	}
	if e.Run > 0 {
		add("run", terminal.Duration(e.Run))
	}
	add("replica", terminal.Printable(e.Replica))
	if e.Error != "" {
		add("error", terminal.Printable(e.Error))
	}
	if e.Broken != nil {
		add("broken", terminal.Printable(e.Broken.Error()))
	}
	return cells
}
