package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Filter selects ended tasks. A task must match every field that is set, and one value
// of that field.
type Filter struct {
	Pool                         string // required
	States                       []task.State
	Kinds, Queues, Groups, Codes []string
	Since, Before                time.Time // bounds of the end: at or after Since, before Before
	// Error is a text in the error. Case does not matter; in SQLite this is so for ASCII
	// letters only.
	Error string
	// Orphan selects tasks whose external job may still run, Exported those whose result an
	// exporter has saved. false selects all tasks.
	Orphan, Exported bool
	// Brief omits payload, progress and result, which are often most of the data.
	Brief bool
}

// Page is a part of a list.
type Page struct {
	Tasks []*Task
	// Next is the position to continue after; "" if there are no more tasks.
	Next string
}

// maxBranches bounds the queries of one page: the product of the numbers of values of the
// fields of a filter.
const maxBranches = 250

// Tasks reads up to limit ended tasks, the latest end first. after is the Next of the page
// before, "" for the first page. Tasks that are archived meanwhile do not shift pages.
//
// A page takes a few milliseconds also in a large archive, because an index leads to it.
// Each field has an index together with the state. With more fields one index is used, and
// the others are compared row by row. The text in errors is compared with the errors of all tasks that the other fields select.
func (db *DB) Tasks(ctx context.Context, f Filter, after string, limit int) (Page, error) {
	branches, err := f.branches()
	if err != nil {
		return Page{}, err
	}
	var list []*Task
	for _, b := range branches {
		query, args, err := b.query(after, limit+1, db.indexed)
		if err != nil {
			return Page{}, err
		}
		rows, err := db.query(ctx, query, args...)
		if err != nil {
			return Page{}, fmt.Errorf("list the archive: %w", err)
		}
		tasks, err := scanTasks(rows)
		if err != nil {
			return Page{}, fmt.Errorf("list the archive: %w", err)
		}
		list = append(list, tasks...)
	}
	slices.SortFunc(list, func(a, b *Task) int { return cmp.Or(b.EndedAt.Compare(a.EndedAt), cmp.Compare(b.key, a.key)) })
	p := Page{Tasks: list}
	if len(list) > limit {
		p.Tasks = list[:limit]
		if limit > 0 {
			last := p.Tasks[limit-1]
			p.Next = strconv.FormatInt(last.EndedAt.UnixMilli(), 10) + "-" + strconv.FormatInt(last.key, 10)
		}
	}
	return p, nil
}

// branch is a filter with one value for each field. Each branch is a query that reads an
// index in the order of the list, so it ends after a page.
type branch struct {
	Filter
	columns []string
	values  []string
}

func (f Filter) branches() ([]branch, error) {
	if len(f.States) == 0 && len(f.Kinds)+len(f.Queues)+len(f.Groups)+len(f.Codes) > 0 {
		f.States = []task.State{task.Succeeded, task.Failed, task.Stopped, task.Expired, Unknown} // the indexes have the state
	}
	list := []branch{{Filter: f}}
	for _, field := range []struct {
		column string
		values []string
	}{{"state", textsOf(f.States)}, {"kind", f.Kinds}, {"queue", f.Queues}, {"task_group", f.Groups}, {"code", f.Codes}} {
		values := slices.Compact(slices.Sorted(slices.Values(field.values)))
		if len(values) == 0 {
			continue
		}
		var next []branch
		for _, b := range list {
			for _, v := range values {
				next = append(next, branch{f, append(slices.Clone(b.columns), field.column), append(slices.Clone(b.values), v)})
			}
		}
		if list = next; len(list) > maxBranches {
			return nil, &task.FieldError{Field: "Filter", Msg: fmt.Sprintf("has too many combinations of values; the limit is %d", maxBranches)}
		}
	}
	return list, nil
}

func textsOf(states []task.State) []string {
	var list []string
	for _, s := range states {
		list = append(list, string(s))
	}
	return list
}

// briefColumns are taskColumns without the large ones.
var briefColumns = strings.NewReplacer(", result,", ", NULL,", ", payload,", ", NULL,", ", progress,", ", NULL,").Replace(taskColumns)

var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// index returns the index that leads to the tasks of a branch. The most selective is first.
func (b branch) index() string {
	of := func(column string) bool { return slices.Contains(b.columns, column) }
	switch {
	case b.Orphan:
		return "lts_tasks_orphan"
	case of("task_group"):
		return "lts_tasks_group"
	case of("kind"):
		return "lts_tasks_kind"
	case of("code"):
		return "lts_tasks_code"
	case of("queue"):
		return "lts_tasks_queue"
	case b.Exported:
		return "lts_tasks_exported"
	case of("state"):
		return "lts_tasks_state"
	case b.Error != "":
		return "lts_tasks_error"
	}
	return "lts_tasks_ended"
}

func (b branch) query(after string, limit int, indexed string) (string, []any, error) {
	columns := taskColumns
	if b.Brief {
		columns = briefColumns
	}
	var q strings.Builder
	q.WriteString("SELECT key, " + columns + " FROM lts_tasks")
	if indexed != "" {
		q.WriteString(indexed + b.index())
	}
	q.WriteString(" WHERE pool = ? AND ended_at IS NOT NULL")
	args := []any{b.Pool}
	add := func(condition string, values ...any) {
		q.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	for i, c := range b.columns {
		add(c+" = ?", b.values[i])
		if c == "task_group" {
			add("task_group <> ''")
		}
	}
	if !b.Since.IsZero() {
		add("ended_at >= ?", b.Since.UnixMilli())
	}
	if !b.Before.IsZero() {
		add("ended_at < ?", b.Before.UnixMilli())
	}
	if b.Orphan {
		add("orphan <> ''")
	}
	if b.Exported {
		add("exported")
	}
	if b.Error != "" {
		add("error <> ''")
		add(`LOWER(error) LIKE ? ESCAPE '\'`, "%"+escapeLike.Replace(strings.ToLower(b.Error))+"%")
	}
	if after != "" {
		first, second, _ := strings.Cut(after, "-")
		ended, err1 := strconv.ParseInt(first, 10, 64)
		key, err2 := strconv.ParseInt(second, 10, 64)
		if err1 != nil || err2 != nil {
			return "", nil, &task.FieldError{Field: "after", Msg: "must be the Next of a page, not " + strconv.Quote(bounded(after, 80))}
		}
		add("(ended_at, key) < (?, ?)", ended, key)
	}
	q.WriteString(" ORDER BY ended_at DESC, key DESC LIMIT ?")
	return q.String(), append(args, limit), nil
}

// Record is a task with its attempts and events.
type Record struct {
	*Task
	Attempts []Attempt
	Events   []Event
}

// maxRecords is how many generations Get returns.
const maxRecords = 1000

// Get reads the generations of a task and of others that had its id, the newest first and
// up to 1,000, with attempts and events. Live tasks are included. Without a task it returns
// task.ErrNotFound.
func (db *DB) Get(ctx context.Context, pool, id string) ([]Record, error) {
	var records []Record
	rows, err := db.query(ctx, "SELECT key, "+taskColumns+" FROM lts_tasks WHERE pool = ? AND id = ? ORDER BY pos_ms DESC, pos_seq DESC, key DESC LIMIT ?", pool, id, maxRecords)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	tasks, err := scanTasks(rows)
	if err == nil && len(tasks) == 0 {
		err = task.ErrNotFound
	}
	for _, t := range tasks {
		r := Record{Task: t}
		if err == nil {
			r.Attempts, err = readAll(ctx, db.query, attemptsQuery, (*Attempt).columns, t.key)
		}
		if err == nil {
			r.Events, err = readAll(ctx, db.query, eventsQuery, (*Event).columns, t.key)
		}
		records = append(records, r)
	}
	if err == nil {
		err = db.setHosts(ctx, pool, records)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return records, nil
}

// Count is the number of tasks of a kind that ended in a state on a day.
type Count struct {
	Day   time.Time // its begin in UTC
	State task.State
	Kind  string
	Tasks int64
}

// Stats are the figures of a pool in the archive.
type Stats struct {
	Counts []Count // the newest day first
	Live   int64   // tasks whose end has not been seen
	// Cursor is the position of the last event in the archive; "" if no Archiver has run
	// for the pool. Updated is when it was written, by the clock of the archiver.
	Cursor  string
	Updated time.Time
	Gaps    []Gap // the newest first, up to 1,000
}

// Stats counts the tasks that ended at or after since.
func (db *DB) Stats(ctx context.Context, pool string, since time.Time) (Stats, error) {
	var s Stats
	var err error
	s.Counts, err = readAll(ctx, db.query, "SELECT ended_at - ended_at % 86400000, state, kind, COUNT(*) FROM lts_tasks"+
		" WHERE pool = ? AND ended_at IS NOT NULL AND ended_at >= ? GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3",
		func(c *Count) []any { return []any{(*moment)(&c.Day), &c.State, &c.Kind, &c.Tasks} }, pool, max(since.UnixMilli(), 0))
	if err != nil {
		return s, fmt.Errorf("count the archive: %w", err)
	}
	type cursor struct {
		at      string
		updated time.Time
	}
	cursors, err := readAll(ctx, db.query, "SELECT cursor, updated_at FROM lts_cursors WHERE pool = ?",
		func(c *cursor) []any { return []any{&c.at, (*moment)(&c.updated)} }, pool)
	if err == nil && len(cursors) > 0 {
		s.Cursor, s.Updated = cursors[0].at, cursors[0].updated
	}
	if err == nil {
		s.Gaps, err = readAll(ctx, db.query, "SELECT "+gapColumns+" FROM lts_gaps WHERE pool = ? ORDER BY key DESC LIMIT ?", (*Gap).columns, pool, maxGaps)
	}
	if err == nil {
		err = db.sql.QueryRowContext(ctx, db.rebind("SELECT COUNT(*) FROM lts_tasks WHERE pool = ? AND ended_at IS NULL"), pool).Scan(&s.Live)
	}
	if err != nil {
		return s, fmt.Errorf("read the archive: %w", err)
	}
	return s, nil
}

// Cursor returns the position of the last event of a pool in the archive; "" if no Archiver
// has run for the pool.
func (db *DB) Cursor(ctx context.Context, pool string) (string, error) {
	all, err := readAll(ctx, db.query, "SELECT cursor FROM lts_cursors WHERE pool = ?", func(c *string) []any { return []any{c} }, pool)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// Lag returns how far the last event in the archive is behind the newest of the pool, as
// the difference of their times.
func (s Stats) Lag(newest string) time.Duration {
	if s.Cursor == "" {
		return 0
	}
	at, last := positionOf(s.Cursor), positionOf(newest)
	if !at.before(last) || at.ms == 0 {
		return 0
	}
	return time.Duration(last.ms-at.ms) * time.Millisecond
}
