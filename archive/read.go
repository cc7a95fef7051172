package archive

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// queryPage is how many ids or rows one statement has.
const queryPage = 200

const (
	eventsQuery   = "SELECT " + eventColumns + " FROM lts_events WHERE task = ? ORDER BY pos_ms, pos_seq, version"
	attemptsQuery = "SELECT " + attemptColumns + " FROM lts_attempts WHERE task = ? ORDER BY attempt"
)

// marks returns "(?, ?, …)" for n values.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }

// newest reads the newest generation of each id that the archive has.
func (t *tx) newest(ctx context.Context, pool string, ids []string) (map[string]*Task, error) {
	found := make(map[string]*Task, len(ids))
	for page := range slices.Chunk(ids, queryPage) {
		values := strings.TrimSuffix(strings.Repeat("(?), ", len(page)), ", ")
		args := make([]any, 0, len(page)+1)
		for _, id := range page {
			args = append(args, id)
		}
		rows, err := t.query(ctx, "WITH wanted (id) AS (VALUES "+values+") SELECT key, "+prefixed("t.", taskColumns)+
			" FROM wanted w JOIN lts_tasks t ON t.key = (SELECT n.key FROM lts_tasks n WHERE n.pool = ? AND n.id = w.id"+
			" ORDER BY n.pos_ms DESC, n.pos_seq DESC, n.key DESC LIMIT 1)", append(args, pool)...)
		if err != nil {
			return nil, err
		}
		tasks, err := scanTasks(rows)
		if err != nil {
			return nil, err
		}
		for _, one := range tasks {
			found[one.ID] = one
		}
	}
	return found, nil
}

// prefixed puts prefix before each of the columns.
func prefixed(prefix, columns string) string {
	return prefix + strings.ReplaceAll(columns, ", ", ", "+prefix)
}

func (t *tx) tasks(ctx context.Context, where string, args ...any) ([]*Task, error) {
	rows, err := t.query(ctx, "SELECT key, "+taskColumns+" FROM lts_tasks "+where, args...)
	if err != nil {
		return nil, err
	}
	return scanTasks(rows)
}

func scanTasks(rows *sql.Rows) ([]*Task, error) {
	defer rows.Close()
	var list []*Task
	for rows.Next() {
		one := &Task{}
		if err := rows.Scan(append([]any{&one.key}, one.columns()...)...); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

func (t *tx) events(ctx context.Context, task int64) ([]Event, error) {
	return readAll(ctx, t.query, eventsQuery, (*Event).columns, task)
}

func (t *tx) attempts(ctx context.Context, task int64) ([]Attempt, error) {
	return readAll(ctx, t.query, attemptsQuery, (*Attempt).columns, task)
}

// readAll reads the rows of a query.
func readAll[T any](ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error), text string,
	columns func(*T) []any, args ...any) ([]T, error) {
	rows, err := query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		var one T
		if err := rows.Scan(columns(&one)...); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}
