package archive

import (
	"context"
	"time"
)

// Gap is a part of the event stream that the archive does not have.
type Gap struct {
	Reason string    // one of the three below
	After  string    // the cursor of the last event that was read before; "0" for none
	Next   string    // the cursor of the first event that was read after it; "" for none yet
	Until  string    // the cursor of the newest event when the gap was found
	Found  time.Time // by the clock of the archiver
	// Reconciled is when the kept tasks of the pool had been compared with the archive;
	// zero before.
	Reconciled time.Time
	Archived   int // tasks that were archived or completed from their records
	Unknown    int // tasks that ended or were removed unseen: see Unknown

	key int64
}

// The reasons of gaps.
const (
	GapStart   = "start"   // the archive began after the pool
	GapTrimmed = "trimmed" // events were trimmed before they were read
	GapRewound = "rewound" // Redis lost events that were read, as after a failover, or the pool was made again
)

const gapColumns = "key, reason, after_cursor, next_cursor, until_cursor, found_at, reconciled_at, archived, unknown"

func (g *Gap) columns() []any {
	return []any{&g.key, &g.Reason, &g.After, &g.Next, &g.Until, (*moment)(&g.Found), (*moment)(&g.Reconciled), &g.Archived, &g.Unknown}
}

// maxGaps is how many gaps are taken into account.
const maxGaps = 1000

// gaps returns the positions behind which events were trimmed, the newest first.
func (t *tx) gaps(ctx context.Context, pool string) ([]position, error) {
	type next struct{ cursor string }
	rows, err := readAll(ctx, t.query, "SELECT next_cursor FROM lts_gaps WHERE pool = ? AND reason <> ? AND next_cursor <> '' ORDER BY found_at DESC LIMIT ?",
		func(n *next) []any { return []any{&n.cursor} }, pool, GapRewound, maxGaps)
	var list []position
	for _, r := range rows {
		list = append(list, positionOf(r.cursor))
	}
	return list, err
}

// addGap adds a gap. If the last gap of the same reason has no end yet it does nothing:
// the archiver was stopped before it read on.
func (t *tx) addGap(ctx context.Context, pool string, g Gap) error {
	var open int
	if err := t.row(ctx, "SELECT COUNT(*) FROM lts_gaps WHERE pool = ? AND reason = ? AND after_cursor = ? AND next_cursor = ''", pool, g.Reason, g.After).Scan(&open); err != nil || open > 0 {
		return err
	}
	_, err := t.exec(ctx, "INSERT INTO lts_gaps (pool, reason, after_cursor, next_cursor, until_cursor, found_at, archived, unknown) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
		pool, g.Reason, g.After, g.Next, g.Until, time.Now().UnixMilli())
	return err
}

// endGaps sets the end of gaps that have none.
func (t *tx) endGaps(ctx context.Context, pool, next string) error {
	_, err := t.exec(ctx, "UPDATE lts_gaps SET next_cursor = ? WHERE pool = ? AND next_cursor = ''", next, pool)
	return err
}

// openGap returns the oldest gap that is not reconciled; nil for none.
func (db *DB) openGap(ctx context.Context, pool string) (*Gap, error) {
	list, err := readAll(ctx, db.query, "SELECT "+gapColumns+" FROM lts_gaps WHERE pool = ? AND reconciled_at IS NULL ORDER BY key LIMIT 1", (*Gap).columns, pool)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
