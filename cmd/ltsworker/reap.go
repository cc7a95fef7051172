package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// reapRecord is what a turn of maintenance did in JSON output.
type reapRecord struct {
	LeasesLost int              `json:"leases_lost"`
	TimedOut   int              `json:"timed_out"`
	Due        int              `json:"due"`
	Late       int              `json:"late"`
	Removed    int              `json:"removed"`
	Trimmed    int              `json:"trimmed"`
	Replicas   int              `json:"replicas"`
	Repaired   []record.Finding `json:"repaired"`
	InboxWaits bool             `json:"inbox_waits"`
	NextMS     int64            `json:"next_ms"`
}

func newReap(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reap",
		Short: "Run one turn of maintenance now: tasks of dead replicas, due and expired tasks, retention",
		Long: `Run one turn of the maintenance that the replicas of the pool also run, and print what
it did. Tasks whose lease has ended and tasks that are due go to their queues. Tasks
that are too late expire. Ended tasks are removed after their retention. Events are
trimmed. A part of the pool is checked for broken entries.

One turn handles up to 100 tasks of each of these kinds. The command is safe at any
time, but needed only if no replica is alive.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				return reap(ctx, cmd, c, asJSON)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func reap(ctx context.Context, cmd *cobra.Command, c *client.Client, asJSON bool) error {
	up, err := c.Maintain(ctx)
	if err != nil {
		return err
	}
	after, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		r := reapRecord{
			LeasesLost: up.Lost, TimedOut: up.TimedOut, Due: up.Due, Late: up.Late, Removed: up.Removed, Trimmed: up.Trimmed, Replicas: up.Replicas,
			Repaired: []record.Finding{}, InboxWaits: up.Inbox, NextMS: up.Next.Milliseconds(),
		}
		for _, f := range up.Repaired {
			r.Repaired = append(r.Repaired, record.OfFinding(f))
		}
		return terminal.WriteJSON(out, r)
	}
	for _, f := range up.Repaired {
		if err := printFinding(out, f); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "%s; %s\n", turnText(up), outlook(up, after))
	return err
}

// turnText says what a turn did.
func turnText(up pool.Maintenance) string {
	var did []string
	for _, part := range []struct {
		n         int
		one, many string
	}{
		{up.Lost, "lease had ended without a report", "leases had ended without a report"},
		{up.TimedOut, "task outside had timed out", "tasks outside had timed out"},
		{up.Due, "task was due", "tasks were due"},
		{up.Late, "task was too late", "tasks were too late"},
		{up.Removed, "ended task was removed", "ended tasks were removed"},
		{up.Trimmed, "event was trimmed", "events were trimmed"},
		{up.Replicas, "silent replica was taken off the list", "silent replicas were taken off the list"},
		{len(up.Repaired), "entry was repaired", "entries were repaired"},
	} {
		switch part.n {
		case 0:
		case 1:
			did = append(did, "1 "+part.one)
		default:
			did = append(did, fmt.Sprintf("%d %s", part.n, part.many))
		}
	}
	if len(did) == 0 {
		return "there was nothing to do"
	}
	return strings.Join(did, ", ")
}

// outlook says what is left to do.
func outlook(up pool.Maintenance, s pool.Stats) string {
	text := "nothing is due"
	switch {
	case up.Next > 0 && up.Next <= 10*time.Millisecond:
		text = "more is due: run it again"
	case up.Next > 0:
		text = "the next thing is due in " + terminal.ShortDuration(up.Next)
	}
	if up.Inbox && s.Replicas == 0 {
		text += "; the inbox waits for a replica"
	}
	if up.Reports && s.Replicas == 0 {
		text += "; reports from outside wait for a replica"
	}
	return text
}
