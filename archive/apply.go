package archive

import (
	"context"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// apply writes the rows of events. The rows that follow from a set of events do not
// depend on their order or on how often they are applied.
func (t *tx) apply(ctx context.Context, pool string, events []task.Event) error {
	byID := map[string][]task.Event{}
	var ids []string
	for _, e := range events {
		if !usable(&e) {
			continue
		}
		e.ID = name(e.ID)
		if byID[e.ID] == nil {
			ids = append(ids, e.ID)
		}
		byID[e.ID] = append(byID[e.ID], e)
	}
	newest, err := t.newest(ctx, pool, ids)
	if err != nil {
		return err
	}
	gaps, err := t.gaps(ctx, pool)
	if err != nil {
		return err
	}
	var lives []*life
	var repeated []string
	inOrder := map[string]bool{}
	for _, id := range ids {
		if inOrder[id] = later(newest[id], byID[id]); !inOrder[id] {
			repeated = append(repeated, id)
		}
	}
	known, err := t.known(ctx, pool, repeated)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !inOrder[id] {
			if known.all(id, byID[id]) {
				continue
			}
			if err := t.rebuild(ctx, pool, id, byID[id], gaps); err != nil {
				return err
			}
			continue
		}
		l := newLife(pool, id, newest[id], gaps)
		for _, e := range byID[id] {
			l.add(&e)
		}
		lives = append(lives, l)
	}
	return t.write(ctx, lives...)
}

// place identifies an event of an id.
type place struct {
	position
	version int64
}

// archived are the events of ids that the archive has.
type archived map[string]map[place]bool

func (a archived) all(id string, events []task.Event) bool {
	return !slices.ContainsFunc(events, func(e task.Event) bool { return !a[id][place{positionOf(e.Cursor), e.Version}] })
}

// known reads which events of ids the archive has.
func (t *tx) known(ctx context.Context, pool string, ids []string) (archived, error) {
	found := archived{}
	for page := range slices.Chunk(ids, queryPage) {
		args := []any{pool}
		for _, id := range page {
			args = append(args, id)
		}
		type row struct {
			id string
			place
		}
		rows, err := readAll(ctx, t.query, "SELECT t.id, e.pos_ms, e.pos_seq, e.version FROM lts_tasks t JOIN lts_events e ON e.task = t.key"+
			" WHERE t.pool = ? AND t.id IN "+marks(len(page)), func(r *row) []any { return []any{&r.id, &r.ms, &r.seq, &r.version} }, args...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if found[r.id] == nil {
				found[r.id] = map[place]bool{}
			}
			found[r.id][r.place] = true
		}
	}
	return found, nil
}

// usable reports whether an event belongs to a task and has a version. It sets a time
// that could not be read.
func usable(e *task.Event) bool {
	if e.At.IsZero() {
		e.At = time.UnixMilli(positionOf(e.Cursor).ms)
	}
	return e.ID != "" && e.Version > 0 && e.State != ""
}

// later reports whether the events are in the order of the stream and behind the last
// event of a row; nil for none.
func later(t *Task, events []task.Event) bool {
	var last position
	if t != nil {
		last = t.pos
	}
	for _, e := range events {
		pos := positionOf(e.Cursor)
		if !last.before(pos) {
			return false
		}
		last = pos
	}
	return true
}

// rebuild makes the rows of an id again, from its events in the archive and those given.
// It does nothing if the archive has all of them.
func (t *tx) rebuild(ctx context.Context, pool, id string, events []task.Event, gaps []position) error {
	rows, err := t.tasks(ctx, "WHERE pool = ? AND id = ? ORDER BY pos_ms, pos_seq, key", pool, id)
	if err != nil {
		return err
	}
	known := map[place]bool{}
	var all []task.Event
	logs := map[int64][]Attempt{}
	for _, row := range rows {
		stored, err := t.events(ctx, row.key)
		if err != nil {
			return err
		}
		for _, e := range stored {
			known[place{e.pos, e.Version}] = true
			back := task.Event{Cursor: e.pos.String(), ID: id, Kind: e.Kind, Queue: e.Queue, Group: e.Group, State: e.State, Code: e.Code,
				Attempt: e.Attempt, Version: e.Version, Replica: e.Replica, At: e.At, Wait: e.Wait, Run: e.Run, Error: e.Error,
				Result: e.Result, ResultBytes: e.ResultBytes, Meta: e.Headers, Orphan: e.Orphan, Exported: e.Exported}
			all = append(all, back)
		}
		attempts, err := t.attempts(ctx, row.key)
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if a.Log != "" {
				logs[a.Attempt] = append(logs[a.Attempt], a)
			}
		}
	}
	before := len(all)
	for _, e := range events {
		p := place{positionOf(e.Cursor), e.Version}
		if !known[p] {
			known[p] = true
			all = append(all, e)
		}
	}
	if len(all) == before {
		return nil
	}
	slices.SortStableFunc(all, func(a, b task.Event) int { return positionOf(a.Cursor).compare(positionOf(b.Cursor)) })
	l := newLife(pool, id, nil, gaps)
	for i := range all {
		l.add(&all[i])
	}
	for k, a := range l.attempts {
		for _, old := range logs[k.n] {
			if old.EndedAt.Equal(a.EndedAt) {
				a.Log, a.LogSize = old.Log, old.LogSize
			}
		}
	}
	return t.replace(ctx, rows, l)
}

// replace replaces the rows of an id. A new row takes the key of the old row of its
// generation, and what the record said. An old row that no event belongs to stays if it
// is from a record.
func (t *tx) replace(ctx context.Context, rows []*Task, l *life) error {
	for _, one := range l.tasks {
		if len(rows) > 0 && one.Kind == "" {
			one.Kind, one.Queue, one.Group = rows[len(rows)-1].Kind, rows[len(rows)-1].Queue, rows[len(rows)-1].Group
		}
	}
	for _, old := range rows {
		same := slices.IndexFunc(l.tasks, func(n *Task) bool {
			return n.CreatedAt.Equal(old.CreatedAt) && n.Generation == old.Generation
		})
		for _, table := range []string{"lts_events", "lts_attempts"} {
			if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE task = ?", old.key); err != nil {
				return err
			}
		}
		switch {
		case same >= 0:
			l.tasks[same].takeOver(old)
		case old.RecordVersion == 0:
			if _, err := t.exec(ctx, "DELETE FROM lts_tasks WHERE key = ?", old.key); err != nil {
				return err
			}
		}
	}
	return t.write(ctx, l)
}

// takeOver takes the key of an older row of the same generation, what its record said,
// and its state if the record is newer than all events.
func (t *Task) takeOver(old *Task) {
	if t.changed = true; old.RecordVersion > t.Version && old.RecordVersion == old.Version {
		*t, t.changed = *old, true
		t.Complete = false
		return
	}
	t.key = old.key
	if old.RecordVersion == 0 {
		return
	}
	t.RecordVersion, t.Payload, t.Priority, t.Unique, t.Failures, t.Lost, t.Progress =
		old.RecordVersion, old.Payload, old.Priority, old.Unique, old.Failures, old.Lost, old.Progress
	if old.RecordVersion == t.Version && len(old.Result) > 0 {
		t.Result, t.ResultBytes = old.Result, old.ResultBytes
	}
	if all := withTrace(t.Headers, nil); len(all) == 0 {
		t.Headers = old.Headers
	} else {
		t.Headers = withTrace(all, old.Headers)
	}
}
