package archive

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// record is a task as Redis has it, with its history.
type record struct {
	*task.Task
	history []task.AttemptRecord
}

// size returns how many bytes the large fields of the record have.
func (r *record) size() int {
	n := len(r.Payload) + len(r.Result) + len(r.Progress)
	for _, a := range r.history {
		n += len(a.Log) + len(a.Error)
	}
	return n
}

// addRecords adds to the rows what the records say and no event does. lost is true if
// the events of the tasks were read as far as Redis has them: then a record that is
// newer than the row, or has none, is about events that were lost. It returns the number
// of rows that it wrote.
func (t *tx) addRecords(ctx context.Context, pool string, lost bool, records []record) (int, error) {
	if len(records) == 0 {
		return 0, nil
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, name(r.ID))
	}
	newest, err := t.newest(ctx, pool, ids)
	if err != nil {
		return 0, err
	}
	var lives []*life
	for _, r := range records {
		l := newLife(pool, name(r.ID), newest[name(r.ID)], nil)
		one, err := t.rowOf(ctx, l, r.Task, lost)
		if err != nil {
			return 0, err
		}
		if one == nil {
			continue
		}
		one.fill(r.Task, lost)
		for _, a := range r.history {
			l.addHistory(one, a)
		}
		if err := t.earlierAttempts(ctx, l, one); err != nil {
			return 0, err
		}
		lives = append(lives, l)
	}
	return len(lives), t.write(ctx, lives...)
}

// rowOf returns the row of the generation that a record is about, nil for none. It
// corrects a time of creation and a generation that were estimated.
func (t *tx) rowOf(ctx context.Context, l *life, r *task.Task, lost bool) (*Task, error) {
	one := l.newest
	missing := func() (*Task, error) {
		if !lost || !r.State.Terminal() {
			return nil, nil // its events follow
		}
		return l.begin(&Task{CreatedAt: r.CreatedAt, CreatedKnown: true, Generation: r.Generation}), nil
	}
	switch {
	case one == nil, r.CreatedAt.After(one.CreatedAt):
		return missing()
	case one.CreatedKnown && r.CreatedAt.Before(one.CreatedAt), r.Version < one.Version:
		return nil, nil // the row is newer
	case one.CreatedKnown && r.Generation == one.Generation:
		if one.RecordVersion == r.Version && one.Version == r.Version && lost {
			return nil, nil // the row has everything
		}
		return one, nil
	case r.Version == one.Version, r.Generation == 0 && one.Generation == 0:
		return one, t.rename(ctx, one, r)
	}
	return missing()
}

// rename gives the row, and the rows of the generations before it, the time of creation
// of the record, and numbers them so that the row has its generation.
func (t *tx) rename(ctx context.Context, one *Task, r *task.Task) error {
	var taken int
	if err := t.row(ctx, "SELECT COUNT(*) FROM lts_tasks WHERE pool = ? AND id = ? AND created_at = ? AND created_at <> ?",
		one.Pool, one.ID, r.CreatedAt.UnixMilli(), one.CreatedAt.UnixMilli()).Scan(&taken); err != nil || taken > 0 {
		return err
	}
	shift := max(r.Generation-one.Generation, 0)
	// The newest is first, so that no two rows are of the same generation meanwhile.
	rows, err := t.tasks(ctx, "WHERE pool = ? AND id = ? AND created_at = ? ORDER BY generation DESC", one.Pool, one.ID, one.CreatedAt.UnixMilli())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := t.exec(ctx, "UPDATE lts_tasks SET created_at = ?, created_known = ?, generation = ? WHERE key = ?",
			r.CreatedAt.UnixMilli(), true, row.Generation+shift, row.key); err != nil {
			return err
		}
	}
	one.CreatedAt, one.CreatedKnown = r.CreatedAt, true
	one.Generation += shift
	return nil
}

// fill sets the fields that only the record has, and those of the state if the record is
// newer and the events of it were lost.
func (t *Task) fill(r *task.Task, lost bool) {
	t.changed = true
	t.Payload, t.Priority, t.Unique = r.Payload, r.Priority, name(r.Unique)
	if all := withTrace(t.Headers, nil); len(all) == 0 {
		t.Headers = r.Headers
	} else {
		t.Headers = withTrace(all, r.Headers) // the event of an end has the others, and the meta
	}
	if t.Kind == "" {
		t.Kind, t.Queue = name(r.Kind), name(r.Queue)
	}
	if t.Group == "" {
		t.Group = name(r.Group)
	}
	if r.Version < t.Version || r.Version > t.Version && !lost {
		return
	}
	t.RecordVersion = r.Version
	t.Failures, t.Lost, t.Progress = r.Failures, r.Lost, r.Progress
	if len(r.Result) > 0 {
		t.Result, t.ResultBytes = r.Result, 0
	}
	if r.ResultLost > 0 {
		t.ResultBytes = r.ResultLost
	}
	if r.Version == t.Version {
		return
	}
	t.Complete = false
	if end := (position{ms: r.EndedAt.UnixMilli()}); t.pos.before(end) {
		t.pos = end
	}
	t.Version, t.State, t.Code, t.Error = r.Version, name(r.State), name(r.Code), text(r.Error)
	t.Orphan, t.Exported = text(r.Orphan), r.Exported
	t.Attempt, t.Replica, t.StartedAt, t.EndedAt = r.Attempt, name(r.Replica), r.StartedAt, r.EndedAt
	if !r.StartedAt.IsZero() && !r.EndedAt.IsZero() {
		t.Run = r.EndedAt.Sub(r.StartedAt)
	}
}

// addHistory adds an attempt of the history in the record.
func (l *life) addHistory(one *Task, h task.AttemptRecord) {
	a := l.attempt(one, h.Attempt)
	a.Replica, a.EndedAt, a.Run, a.Code, a.Error = name(h.Replica), h.At, h.Run, name(h.Code), text(h.Error)
	a.StartedAt = h.At.Add(-h.Run)
	a.Log, a.LogSize = text(h.Log), h.LogSize
}

// earlierAttempts removes attempts that belong to earlier generations: the history in a
// record is that of all generations, whose attempts are numbered on. The archive has
// them, because it read the record at the end of each generation, unless that was lost.
func (t *tx) earlierAttempts(ctx context.Context, l *life, one *Task) error {
	if one.Generation == 0 || len(l.attempts) == 0 {
		return nil
	}
	var last int64
	if err := t.row(ctx, "SELECT COALESCE(MAX(attempt), 0) FROM lts_tasks WHERE pool = ? AND id = ? AND created_at = ? AND generation < ?",
		one.Pool, one.ID, one.CreatedAt.UnixMilli(), one.Generation).Scan(&last); err != nil {
		return err
	}
	for k := range l.attempts {
		if k.n <= last {
			delete(l.attempts, k)
		}
	}
	return nil
}

// lose marks live tasks that are no longer in Redis: they ended, or were removed, while
// the events were lost.
func (t *tx) lose(ctx context.Context, keys []int64, at time.Time) error {
	for _, key := range keys {
		if _, err := t.exec(ctx, "UPDATE lts_tasks SET state = ?, ended_at = ?, complete = ? WHERE key = ? AND ended_at IS NULL",
			Unknown, at.UnixMilli(), false, key); err != nil {
			return err
		}
	}
	return nil
}

// withTrace returns headers with the trace headers of another map in place of their own. The event of
// an end does not have those of the producer, but may have those of the attempt, for a task to follow.
func withTrace(headers, from map[string]string) map[string]string {
	all := maps.Clone(headers)
	maps.DeleteFunc(all, func(name, _ string) bool { return isTrace(name) })
	for name, value := range from {
		if isTrace(name) {
			if all == nil {
				all = map[string]string{}
			}
			all[name] = value
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func isTrace(name string) bool {
	return strings.EqualFold(name, "traceparent") || strings.EqualFold(name, "tracestate")
}
