package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func newArchiveStats(g *globals) *cobra.Command {
	var (
		at     archiveFlag
		since  durationFlag
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count the archived tasks by day, state and kind",
		Long: `Count the archived tasks of the pool by day, state and kind, and show how far the archive
is behind the event stream, and the gaps. The state unknown is that of tasks whose end
was lost in a gap. Days are those of UTC. Without Redis the lag is unknown.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return at.with(cmd, func(ctx context.Context, db *archive.DB) error {
				return archiveStats(ctx, cmd, g, db, &since, asJSON)
			})
		},
	}
	at.add(cmd)
	cmd.Flags().Var(&since, "since", "count tasks that ended at most this `DURATION` ago (default 7d)")
	addJSON(cmd, &asJSON)
	return cmd
}

// archiveStatsRecord are the figures of a pool in the archive in JSON output.
type archiveStatsRecord struct {
	Pool      string               `json:"pool"`
	Counts    []archiveCountRecord `json:"counts"`
	Live      int64                `json:"live"`
	Cursor    string               `json:"cursor"`
	UpdatedAt string               `json:"updated_at,omitempty"`
	LagMS     *int64               `json:"lag_ms"` // null if it is unknown
	Gaps      []gapRecord          `json:"gaps"`
}

type archiveCountRecord struct {
	Day   string     `json:"day"`
	State task.State `json:"state"`
	Kind  string     `json:"kind"`
	Tasks int64      `json:"tasks"`
}

type gapRecord struct {
	Reason       string `json:"reason"`
	After        string `json:"after"`
	Next         string `json:"next,omitempty"`
	FoundAt      string `json:"found_at"`
	ReconciledAt string `json:"reconciled_at,omitempty"`
	Archived     int    `json:"archived"`
	Unknown      int    `json:"unknown"`
}

const (
	archiveStatsSince = 7 * 24 * time.Hour
	lagPatience       = 3 * time.Second // for the answer of Redis
)

func archiveStats(ctx context.Context, cmd *cobra.Command, g *globals, db *archive.DB, since *durationFlag, asJSON bool) error {
	name, err := g.poolName("")
	if err != nil {
		return err
	}
	newest, err := newestEvent(ctx, g)
	if err != nil {
		return err
	}
	window := archiveStatsSince
	if since.set {
		window = since.value
	}
	s, err := db.Stats(ctx, name, time.Now().Add(-window))
	if err != nil {
		return err
	}
	if asJSON {
		return terminal.WriteJSON(cmd.OutOrStdout(), recordArchiveStats(name, s, newest))
	}
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, "pool "+name)
	if s.Cursor == "" {
		return reportNone(cmd, "the archive has nothing of pool "+name+"; ltsworker archive run copies it")
	}
	tab := terminal.NewTable(out)
	byState := map[task.State]int64{}
	for _, c := range s.Counts {
		byState[c.State] += c.Tasks
	}
	for _, state := range archiveStates() {
		tab.Row("  "+string(state), strconv.FormatInt(byState[state], 10))
	}
	tab.Row("  live", strconv.FormatInt(s.Live, 10))
	tab.Row("  lag", lagText(s, newest))
	for i, gap := range s.Gaps[:min(len(s.Gaps), 10)] {
		title := ""
		if i == 0 {
			title = "  gaps"
		}
		tab.Row(title, gapText(gap))
	}
	if err := tab.Flush(); err != nil || len(s.Counts) == 0 {
		return err
	}
	fmt.Fprintln(out)
	tab = terminal.NewTable(out, "DAY", "STATE", "KIND", "TASKS")
	tab.Paint("STATE", stateStyle)
	for _, c := range s.Counts {
		tab.Row(c.Day.UTC().Format(time.DateOnly), terminal.Printable(string(c.State)), terminal.Printable(c.Kind), strconv.FormatInt(c.Tasks, 10))
	}
	return tab.Flush()
}

func recordArchiveStats(name string, s archive.Stats, newest string) archiveStatsRecord {
	r := archiveStatsRecord{Pool: name, Counts: []archiveCountRecord{}, Live: s.Live, Cursor: s.Cursor, UpdatedAt: record.Instant(s.Updated), Gaps: []gapRecord{}}
	if newest != "" && s.Cursor != "" && (s.Cursor != "0" || newest == "0") {
		lag := s.Lag(newest).Milliseconds()
		r.LagMS = &lag
	}
	for _, c := range s.Counts {
		r.Counts = append(r.Counts, archiveCountRecord{c.Day.UTC().Format(time.DateOnly), c.State, c.Kind, c.Tasks})
	}
	for _, g := range s.Gaps {
		r.Gaps = append(r.Gaps, gapRecord{g.Reason, g.After, g.Next, record.Instant(g.Found), record.Instant(g.Reconciled), g.Archived, g.Unknown})
	}
	return r
}

// newestEvent returns the cursor of the newest event of the pool. It is "" if Redis does
// not answer.
func newestEvent(ctx context.Context, g *globals) (string, error) {
	at, err := g.target("")
	if err != nil {
		return "", err
	}
	name, err := g.poolName("")
	if err != nil {
		return "", err
	}
	rdb := at.Client()
	defer rdb.Close()
	store := redisstore.New(rdb, name)
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, lagPatience)
	defer cancel()
	last, err := store.LastEvent(ctx)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		return "", nil
	}
	return last, err
}

func lagText(s archive.Stats, newest string) string {
	switch lag := s.Lag(newest); {
	case newest == "":
		return "unknown: Redis does not answer"
	case s.Cursor == "0" && newest != "0":
		return "at the begin of the stream"
	case lag == 0:
		return "none"
	default:
		return terminal.Duration(lag)
	}
}

func gapText(gap archive.Gap) string {
	state := "not reconciled yet"
	if !gap.Reconciled.IsZero() {
		state = fmt.Sprintf("reconciled: %s read from Redis, %d unknown", terminal.Count(gap.Archived, "task"), gap.Unknown)
	}
	return terminal.LocalTime(gap.Found) + "  " + terminal.Printable(gap.Reason) + "  " + state
}
