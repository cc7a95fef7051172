package archive

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

const (
	// removalPage is how many tasks one transaction removes.
	removalPage = 500
	// maintainEvery is the time between two turns of maintain.
	maintainEvery = time.Minute
)

// maintain removes old rows until ctx ends.
func (a *Archiver) maintain(ctx context.Context) {
	out := outage{log: a.log, of: "the database (to remove old rows)"}
	for ctx.Err() == nil {
		err := a.tidy(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			out.pause(ctx, err)
			continue
		}
		out.recovered()
		_ = backoff.Sleep(ctx, maintainEvery)
	}
}

// tidy removes all tasks that are older than keep.
func (a *Archiver) tidy(ctx context.Context) error {
	if a.keep <= 0 {
		return nil
	}
	before := time.Now().Add(-a.keep)
	for {
		if n, err := a.db.removeOld(ctx, a.pool, before); err != nil || n < removalPage {
			return err
		}
	}
}

// removeOld removes up to removalPage of the tasks that ended before, with their attempts
// and events, all gaps that were reconciled before, and the hosts of replicas that no task is
// left of. It returns the number of tasks.
func (db *DB) removeOld(ctx context.Context, pool string, before time.Time) (n int, err error) {
	err = db.transact(ctx, func(tx *tx) error {
		type row struct{ key int64 }
		old, err := readAll(ctx, tx.query, "SELECT key FROM lts_tasks WHERE pool = ? AND ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at, key LIMIT ?",
			func(r *row) []any { return []any{&r.key} }, pool, before.UnixMilli(), removalPage)
		if err != nil {
			return err
		}
		if n = len(old); n == 0 {
			if _, err := tx.exec(ctx, "DELETE FROM lts_gaps WHERE pool = ? AND reconciled_at IS NOT NULL AND reconciled_at < ?", pool, before.UnixMilli()); err != nil {
				return err
			}
			_, err := tx.exec(ctx, "DELETE FROM lts_replicas WHERE pool = ? AND seen_at < ?", pool, before.Add(-hostEvery).UnixMilli())
			return err
		}
		var keys []any
		for _, r := range old {
			keys = append(keys, r.key)
		}
		for _, from := range []string{"lts_events WHERE task IN ", "lts_attempts WHERE task IN ", "lts_tasks WHERE key IN "} {
			if _, err := tx.exec(ctx, "DELETE FROM "+from+marks(n), keys...); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
