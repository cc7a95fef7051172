package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// queueRecord is a queue in JSON output.
type queueRecord struct {
	Name    string `json:"name"`
	Waiting int    `json:"waiting"`
	Running int    `json:"running"`
	Limit   int    `json:"limit"`
	MaxLen  int    `json:"max_len"`
	Paused  bool   `json:"paused"`

	GroupsFull bool `json:"groups_full"`

	Rate      string `json:"rate,omitempty"`
	RateUntil string `json:"rate_until,omitempty"` // when the next task may start, if tasks wait only for the rate
	AgingMS   int64  `json:"aging_ms,omitempty"`

	Lines     []task.LineInfo `json:"lines,omitempty"` // of tasks with labels
	MoreLines int             `json:"more_lines,omitempty"`
}

func recordQueue(q task.QueueInfo) queueRecord {
	return queueRecord{
		Name: q.Name, Waiting: q.Waiting, Running: q.Running, Limit: q.Limit, MaxLen: q.MaxLen, Paused: q.Paused,
		GroupsFull: q.GroupsFull, Rate: q.Rate.String(), RateUntil: momentText(q.RateUntil), AgingMS: q.Aging.Milliseconds(),
		Lines: q.Lines, MoreLines: q.MoreLines,
	}
}

// momentText returns a time for JSON output, "" for none.
func momentText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// statsRecord is a pool at one instant in JSON output.
type statsRecord struct {
	Pool       string               `json:"pool"`
	Queues     []queueRecord        `json:"queues"`
	Scheduled  int                  `json:"scheduled"`
	Hold       int                  `json:"hold"` // of the scheduled tasks
	Waiting    int                  `json:"waiting"`
	Running    int                  `json:"running"`
	Outside    int                  `json:"outside"`
	Kept       map[task.State]int   `json:"kept"`
	Enqueued   int64                `json:"enqueued"`
	Retried    int64                `json:"retried"`
	Ended      map[task.State]int64 `json:"ended"`
	LeasesLost int64                `json:"leases_lost"`
	Inbox      int                  `json:"inbox"`
	Rejected   int                  `json:"rejected"`
	Events     int                  `json:"events"`
	Replicas   int                  `json:"replicas"`
	Limit      int                  `json:"limit"`
	Paused     bool                 `json:"paused"`
	Archives   []archiveInfoRecord  `json:"archives"`
}

func newStats(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show the counts of the pool and its queues at one instant",
		Args:  between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withClient(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := c.Stats(ctx)
				if err != nil {
					return err
				}
				archives, err := c.Store.Archives(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					r := recordStats(c.Name, s)
					r.Archives = recordArchives(archives)
					return terminal.WriteJSON(cmd.OutOrStdout(), r)
				}
				return printStats(cmd, c.Name, s, archives)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func recordStats(name string, s task.Stats) statsRecord {
	r := statsRecord{
		Pool: name, Queues: []queueRecord{}, Scheduled: s.Scheduled, Hold: s.Hold, Waiting: s.Waiting, Running: s.Running, Outside: s.Outside,
		Kept: map[task.State]int{}, Enqueued: s.Enqueued, Retried: s.Retried, Ended: map[task.State]int64{},
		LeasesLost: s.LeasesLost, Inbox: s.Inbox, Rejected: s.Rejected, Events: s.Events, Replicas: s.Replicas,
		Limit: s.Limit, Paused: s.Paused,
	}
	for _, q := range s.Queues {
		r.Queues = append(r.Queues, recordQueue(q))
	}
	for _, state := range pool.EndedStates() {
		r.Kept[state], r.Ended[state] = s.Kept[state], s.Ended[state]
	}
	return r
}

// scheduledOf returns the number of scheduled tasks, and how many of them are on hold.
func scheduledOf(s task.Stats) string {
	if s.Hold == 0 {
		return strconv.Itoa(s.Scheduled)
	}
	return fmt.Sprintf("%d, %d on hold", s.Scheduled, s.Hold)
}

func printStats(cmd *cobra.Command, name string, s task.Stats, archives []task.ArchiveInfo) error {
	out := cmd.OutOrStdout()
	tab := terminal.NewTable(out)
	title := "pool " + name
	if s.Paused {
		title += " (paused)"
	}
	fmt.Fprintln(out, title)
	num := func(n int) string { return strconv.Itoa(n) }
	tab.Row("  scheduled", scheduledOf(s))
	tab.Row("  waiting", num(s.Waiting))
	running := num(s.Running)
	if s.Limit > 0 {
		running += " of at most " + num(s.Limit)
	}
	if s.Outside > 0 {
		running += ", " + num(s.Outside) + " outside"
	}
	tab.Row("  running", running)
	for _, state := range pool.EndedStates() {
		tab.Row("  "+string(state), fmt.Sprintf("%d, %d kept", s.Ended[state], s.Kept[state]))
	}
	tab.Row("  enqueued", fmt.Sprintf("%d, %d retried by hand", s.Enqueued, s.Retried))
	tab.Row("  leases lost", strconv.FormatInt(s.LeasesLost, 10))
	tab.Row("  inbox", fmt.Sprintf("%d, %d rejected", s.Inbox, s.Rejected))
	tab.Row("  events", num(s.Events))
	tab.Row("  replicas", num(s.Replicas))
	for _, a := range archives {
		tab.Row("  archive", archiveInfoText(a))
	}
	if err := tab.Flush(); err != nil || len(s.Queues) == 0 {
		return err
	}
	fmt.Fprintln(out)
	tab = terminal.NewTable(out, "QUEUE", "WAITING", "RUNNING", "LIMIT", "MAX LEN", "")
	tab.Paint("", terminal.NotEmpty(terminal.Yellow))
	for _, q := range s.Queues {
		tab.Row(terminal.Printable(q.Name), num(q.Waiting), num(q.Running), terminal.LimitText(q.Limit), terminal.LimitText(q.MaxLen), terminal.QueueState(q, s.Paused))
	}
	return tab.Flush()
}
