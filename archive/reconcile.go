package archive

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// recordPage is how many records one transaction adds. A record has up to 2 MiB.
const recordPage = 100

// reconcile fills the oldest gap from what Redis still has, if the archive has passed
// its end or all events were read: it reads the kept tasks that ended before, and marks
// live tasks that Redis does not have. It begins again after an interruption; a repeated
// step changes nothing.
func (a *Archiver) reconcile(ctx context.Context, allRead bool) error {
	g, err := a.db.openGap(ctx, a.pool)
	if err != nil {
		return inDatabase(err)
	}
	if g == nil {
		a.gaps = false
		return nil
	}
	until := positionOf(g.Until)
	if !allRead && positionOf(a.cursor).before(until) {
		return nil
	}
	archived, err := a.readKept(ctx, until)
	if err != nil {
		return err
	}
	unknown, err := a.markUnknown(ctx, until)
	if err != nil {
		return err
	}
	return a.locked(ctx, func(tx *tx) error {
		_, err := tx.exec(ctx, "UPDATE lts_gaps SET reconciled_at = ?, archived = ?, unknown = ? WHERE key = ?", time.Now().UnixMilli(), archived, unknown, g.key)
		return err
	})
}

// readKept archives the kept tasks that ended before the position. The events of their
// ends were read or lost, because the archive has passed it.
func (a *Archiver) readKept(ctx context.Context, until position) (archived int, err error) {
	var page []*task.Task
	flush := func() error {
		records, err := a.withHistories(ctx, page)
		page = nil
		if err != nil || len(records) == 0 {
			return err
		}
		hosts, err := a.hostsOf(ctx, nil, records)
		if err != nil {
			return err
		}
		err = a.locked(ctx, func(tx *tx) error {
			n, err := tx.addRecords(ctx, a.pool, true, records)
			archived += n
			if err != nil {
				return err
			}
			return tx.writeHosts(ctx, a.pool, hosts)
		})
		if err == nil {
			a.wrote(hosts)
			err = a.releaseKept(ctx, records)
		}
		return err
	}
	states := []task.State{task.Succeeded, task.Failed, task.Stopped, task.Expired}
	for t, err := range a.source.Tasks(ctx, task.Filter{States: states}) {
		if err != nil {
			return archived, err
		}
		if t.State.Terminal() && !t.EndedAt.IsZero() && t.EndedAt.UnixMilli() < until.ms && task.CheckName(t.ID) == nil {
			page = append(page, t)
		}
		if len(page) == recordPage {
			if err := flush(); err != nil {
				return archived, err
			}
		}
	}
	return archived, flush()
}

// markUnknown marks the live tasks of the archive that Redis no longer has. It leaves
// those alone that have had an event since the position.
func (a *Archiver) markUnknown(ctx context.Context, until position) (marked int, err error) {
	for after := int64(0); ; {
		live, err := a.db.live(ctx, a.pool, after)
		if err != nil {
			return marked, inDatabase(err)
		}
		if len(live) == 0 {
			return marked, nil
		}
		after = live[len(live)-1].key
		var ids []string
		for _, one := range live {
			ids = append(ids, one.ID)
		}
		tasks, err := a.source.Get(ctx, ids...)
		if err != nil {
			return marked, err
		}
		var gone []int64
		for i, one := range live {
			t := tasks[i]
			if one.pos.before(until) && (t == nil || one.CreatedKnown && !t.CreatedAt.IsZero() && !t.CreatedAt.Equal(one.CreatedAt) ||
				t.State.Terminal() && t.EndedAt.UnixMilli() < until.ms) {
				gone = append(gone, one.key)
			}
		}
		if len(gone) == 0 {
			continue
		}
		if err := a.locked(ctx, func(tx *tx) error { return tx.lose(ctx, gone, time.UnixMilli(until.ms)) }); err != nil {
			return marked, err
		}
		marked += len(gone)
	}
}

// live reads a page of the live tasks after a key.
func (db *DB) live(ctx context.Context, pool string, after int64) ([]*Task, error) {
	rows, err := db.query(ctx, "SELECT key, "+taskColumns+" FROM lts_tasks WHERE pool = ? AND ended_at IS NULL AND key > ? ORDER BY key LIMIT ?", pool, after, recordPage)
	if err != nil {
		return nil, err
	}
	return scanTasks(rows)
}
