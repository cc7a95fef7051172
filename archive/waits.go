package archive

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// waits ends the wait of archived tasks in Redis: see pool.Config.ArchiveWait. It calls
// Redis after each commit. A call that failed, or was not made because the archiver was
// killed, is repeated for all tasks in the archive whose latest event is not before from.
type waits struct {
	// from is the position of the first event of the last page, or an earlier one while calls
	// fail. It is stored with the cursor; "" in an archive without a page.
	from string
	// late is set while the calls for the tasks since from have to be repeated, not before
	// retry.
	late  bool
	retry time.Time
	// denied is set after a permission was missing.
	denied bool
	log    *slog.Logger
}

// ended returns the tasks among the records whose end is among the events.
func ended(events []task.Event, records []record) (tasks []*task.Task) {
	version := map[string]int64{}
	for _, e := range events {
		if e.State.Terminal() {
			version[e.ID] = e.Version
		}
	}
	for _, r := range records {
		if v, found := version[r.ID]; found && v == r.Version && r.Unarchived {
			tasks = append(tasks, r.Task)
		}
	}
	return tasks
}

// release ends the wait of tasks that are in the archive.
func (a *Archiver) release(ctx context.Context, tasks []*task.Task) error {
	if len(tasks) == 0 || a.late {
		return nil
	}
	_, err := a.source.Archived(ctx, tasks...)
	return a.released(err)
}

// released records the error of calls for the tasks since from. It returns err, but nil if a
// permission is missing: the archive goes on without it.
func (w *waits) released(err error) error {
	if w.late = err != nil; !errors.Is(err, task.ErrDenied) {
		return err
	}
	w.retry = time.Now().Add(deniedPause)
	if !w.denied {
		w.denied = true
		w.log.Warn("the user of Redis may not end the wait of archived tasks: they are kept for the whole time", "err", err)
	}
	return nil
}

// releaseLate repeats the calls for the tasks since from.
func (a *Archiver) releaseLate(ctx context.Context) error {
	if !a.late || time.Now().Before(a.retry) {
		return nil
	}
	return a.released(a.releaseSince(ctx, positionOf(a.from)))
}

// releaseKept ends the wait of tasks whose records were read to fill a gap. Without the
// permission they wait on, so that the gap can be closed.
func (a *Archiver) releaseKept(ctx context.Context, records []record) error {
	var waiting []*task.Task
	for _, r := range records {
		if r.Unarchived {
			waiting = append(waiting, r.Task)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	_, err := a.source.Archived(ctx, waiting...)
	if errors.Is(err, task.ErrDenied) {
		return a.released(err)
	}
	return err
}

// clockSlack bounds how much earlier a task may have ended than the position of its event
// says. That happens after the clock of Redis was set back: positions never go back.
const clockSlack = time.Minute

func (a *Archiver) releaseSince(ctx context.Context, from position) error {
	type row struct {
		key, ended int64
		id         string
		created    time.Time
		version    int64
	}
	after := row{ended: from.ms - clockSlack.Milliseconds()}
	for {
		rows, err := readAll(ctx, a.db.query, "SELECT key, ended_at, id, created_at, version FROM lts_tasks WHERE pool = ? AND ended_at IS NOT NULL"+
			" AND (ended_at, key) > (?, ?) AND record_version = version AND (pos_ms, pos_seq) >= (?, ?) ORDER BY ended_at, key LIMIT ?",
			func(r *row) []any { return []any{&r.key, &r.ended, &r.id, (*moment)(&r.created), &r.version} },
			a.pool, after.ended, after.key, from.ms, from.seq, queryPage)
		if err != nil || len(rows) == 0 {
			return inDatabase(err)
		}
		after = rows[len(rows)-1]
		var ids []string
		for _, r := range rows {
			ids = append(ids, r.id)
		}
		tasks, err := a.source.Get(ctx, ids...)
		if err != nil {
			return err
		}
		var waiting []*task.Task
		for i, t := range tasks {
			if t != nil && t.Unarchived && t.Version == rows[i].version && t.CreatedAt.Equal(rows[i].created) {
				waiting = append(waiting, t)
			}
		}
		if len(waiting) == 0 {
			continue
		}
		if _, err := a.source.Archived(ctx, waiting...); err != nil {
			return err
		}
	}
}
