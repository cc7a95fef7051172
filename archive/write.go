package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// The ends of the statements that write rows. A row of a task is never replaced by an
// older version. What is known of an attempt stays.
var (
	onTask    = " ON CONFLICT (pool, id, created_at, generation) DO UPDATE SET " + assigned(taskColumns, "excluded.%[1]s") + " WHERE excluded.version >= lts_tasks.version RETURNING key, id, created_at, generation"
	onKey     = " ON CONFLICT (key) DO UPDATE SET " + assigned(taskColumns, "excluded.%[1]s")
	onEvent   = " ON CONFLICT (task, pos_ms, pos_seq, version) DO NOTHING"
	onAttempt = " ON CONFLICT (task, attempt) DO UPDATE SET " +
		assigned("replica, code, error", "CASE WHEN excluded.%[1]s = '' THEN lts_attempts.%[1]s ELSE excluded.%[1]s END") + ", " +
		assigned("ended_at, slow_at", "COALESCE(excluded.%[1]s, lts_attempts.%[1]s)") + ", " +
		assigned("started_at", "COALESCE(lts_attempts.%[1]s, excluded.%[1]s)") + ", " +
		assigned("wait_ms, run_ms", "CASE WHEN excluded.%[1]s = 0 THEN lts_attempts.%[1]s ELSE excluded.%[1]s END") + ", " +
		assigned("log, log_size", "CASE WHEN excluded.log = '' THEN lts_attempts.%[1]s ELSE excluded.%[1]s END")
)

// assigned returns the assignments of an upsert.
func assigned(columns, value string) string {
	var list []string
	for c := range strings.SplitSeq(columns, ", ") {
		list = append(list, c+" = "+fmt.Sprintf(value, c))
	}
	return strings.Join(list, ", ")
}

// write writes the changed rows.
func (t *tx) write(ctx context.Context, lives ...*life) error {
	var made, changed []*Task
	for _, l := range lives {
		for _, one := range l.tasks {
			switch {
			case !one.changed:
			case one.key == 0:
				made = append(made, one)
			default:
				changed = append(changed, one)
			}
			one.changed = false
		}
	}
	if err := insert(ctx, t, "lts_tasks (key, "+taskColumns+")", onKey, changed, func(one *Task) []any {
		return append([]any{one.key}, one.columns()...)
	}); err != nil {
		return err
	}
	if err := t.make(ctx, made); err != nil {
		return err
	}
	var events []ownedEvent
	type ownedAttempt struct {
		of *Task
		*Attempt
	}
	var attempts []ownedAttempt
	for _, l := range lives {
		events = append(events, l.events...)
		for k, a := range l.attempts {
			attempts = append(attempts, ownedAttempt{k.of, a})
		}
	}
	err := insert(ctx, t, "lts_events (task, "+eventColumns+")", onEvent, events, func(e ownedEvent) []any {
		return append([]any{e.of.key}, e.columns()...)
	})
	if err != nil {
		return err
	}
	return insert(ctx, t, "lts_attempts (task, "+attemptColumns+")", onAttempt, attempts, func(a ownedAttempt) []any {
		return append([]any{a.of.key}, a.columns()...)
	})
}

// make inserts rows and sets their keys.
func (t *tx) make(ctx context.Context, made []*Task) error {
	type generation struct {
		id         string
		created    int64
		generation int
	}
	for page := range slices.Chunk(made, queryPage) {
		byName := map[generation]*Task{}
		for _, one := range page {
			byName[generation{one.ID, one.CreatedAt.UnixMilli(), one.Generation}] = one
		}
		var args []any
		for _, one := range page {
			args = append(args, one.columns()...)
		}
		rows, err := t.query(ctx, "INSERT INTO lts_tasks ("+taskColumns+") VALUES "+tuples(len(page), len(args)/len(page))+onTask, args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var key int64
			var g generation
			if err := rows.Scan(&key, &g.id, &g.created, &g.generation); err != nil {
				rows.Close()
				return err
			}
			byName[g].key = key
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		for g, one := range byName {
			if one.key != 0 {
				continue // else the row is there in a newer version
			}
			if err := t.row(ctx, "SELECT key FROM lts_tasks WHERE pool = ? AND id = ? AND created_at = ? AND generation = ?",
				one.Pool, g.id, g.created, g.generation).Scan(&one.key); err != nil {
				return err
			}
		}
	}
	return nil
}

func tuples(rows, columns int) string {
	return strings.TrimSuffix(strings.Repeat(marks(columns)+", ", rows), ", ")
}

// insert inserts rows, a page with each statement.
func insert[T any](ctx context.Context, t *tx, into, end string, list []T, columns func(T) []any) error {
	for page := range slices.Chunk(list, queryPage) {
		var args []any
		for _, one := range page {
			args = append(args, columns(one)...)
		}
		if _, err := t.exec(ctx, "INSERT INTO "+into+" VALUES "+tuples(len(page), len(args)/len(page))+end, args...); err != nil {
			return err
		}
	}
	return nil
}
