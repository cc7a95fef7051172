// Package sql keeps the results of tasks in a database: PostgreSQL, or SQLite in one file.
//
//	results, err := sql.New(os.Getenv("RESULTS_DSN"), sql.Config{Pool: "media"})
//	…
//	pool.Config{Exports: map[string]pool.Export{"resize": {Exporter: results}}}
//
// A result is a row of the table lts_results, with the key pool, id and generation of its
// task. A save writes the row with the fence of its claim, and never replaces a row with a
// higher one. So a save may be repeated, and a late one changes nothing. Fences begin again if
// Redis has lost its data, so the row of a task that was enqueued earlier is always replaced.
package sql

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Config configures an Exporter.
type Config struct {
	// Pool is the name of the pool. Pools with different names can share a database. Required.
	Pool string
	// MaxConns bounds the connections of this process. Default: 4.
	MaxConns int
}

// Exporter keeps results in a database. It is a task.Exporter. It is safe for concurrent
// use.
type Exporter struct {
	db    *sql.DB
	place string // for errors: the path of the file, or the database and its host
	pool  string
	dialect

	turn  chan struct{} // holds one element while a call makes the table
	ready bool          // the table has been made; guarded by turn
}

var _ task.Exporter = (*Exporter)(nil)

// dialect is what differs between the databases.
type dialect struct {
	rebind func(query string) string // replaces the placeholders "?"
	lock   string                    // makes programs that change the schema wait for each other; "" if a transaction does
	bytes  string                    // the type of the results
}

var (
	// ErrNotFound is returned by Load if the database has no such result.
	ErrNotFound = errors.New("the database has no such result")
	// ErrNewerSchema is returned if a newer version of the program has changed the table.
	ErrNewerSchema = errors.New("the table of results is newer than this program; use the newer program")

	errSuperseded = errors.New("a newer save of the result exists")
)

// New makes an exporter. where is the path of an SQLite file, or a DSN of PostgreSQL that
// begins with "postgres://" or "postgresql://". No error contains the DSN. It returns a
// *task.FieldError if cfg cannot be used.
//
// New does not connect: the database may be unreachable when the service starts. The first
// call that reaches it makes the table. The directory of an SQLite file must exist.
func New(where string, cfg Config) (*Exporter, error) {
	if err := task.CheckName(cfg.Pool); err != nil {
		return nil, &task.FieldError{Field: "pool", Msg: err.Error()}
	}
	if cfg.MaxConns < 0 {
		return nil, &task.FieldError{Field: "max_conns", Msg: fmt.Sprintf("must not be negative, but is %d", cfg.MaxConns)}
	}
	var e *Exporter
	var err error
	switch {
	case where == "":
		err = errors.New("neither a file nor a DSN is given")
	case strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://"):
		e, err = openPostgres(where)
	case strings.Contains(where, "://"):
		err = errForm
	default:
		e, err = openSQLite(where)
	}
	if err != nil {
		return nil, fmt.Errorf("export to a database: %w", err)
	}
	e.pool, e.turn = cfg.Pool, make(chan struct{}, 1)
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 4)
	e.db.SetMaxOpenConns(cfg.MaxConns)
	e.db.SetMaxIdleConns(2)
	return e, nil
}

// errForm is returned for a DSN that cannot be read. It does not contain the DSN.
var errForm = errors.New("the DSN cannot be read; write it like postgres://USER:PASSWORD@HOST/DATABASE, or give the path of an SQLite file")

// Close closes the connections. Calls that follow fail.
func (e *Exporter) Close() error { return e.db.Close() }

// schema are the steps of the table. Released steps never change; a change is another step.
var schema = []string{`CREATE TABLE lts_results (
	pool TEXT NOT NULL,
	id TEXT NOT NULL,
	generation BIGINT NOT NULL,
	fence BIGINT NOT NULL,
	kind TEXT NOT NULL,
	queue TEXT NOT NULL,
	task_group TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	saved_at BIGINT NOT NULL,
	result {bytes} NOT NULL,
	PRIMARY KEY (pool, id, generation)
)`}

const selectVersion = "SELECT COALESCE(MAX(version), 0) FROM lts_results_schema"

// prepare makes the table, unless a call before has found it. If it exists already, the user
// needs no permission to make tables.
func (e *Exporter) prepare(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.ready {
		return nil
	}
	at := 0
	if err := e.db.QueryRowContext(ctx, selectVersion).Scan(&at); err == nil && at == len(schema) {
		e.ready = true
		return nil
	}
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if e.lock != "" {
		if _, err := tx.ExecContext(ctx, e.lock); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS lts_results_schema (version BIGINT PRIMARY KEY)"); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, selectVersion).Scan(&at); err != nil {
		return err
	}
	if at > len(schema) {
		return ErrNewerSchema
	}
	for ; at < len(schema); at++ {
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(schema[at], "{bytes}", e.bytes)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, e.rebind("INSERT INTO lts_results_schema (version) VALUES (?)"), at+1); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	e.ready = true
	return nil
}

// reference is what Save returns. The time distinguishes tasks that had the same id one after
// the other.
type reference struct {
	Pool       string `json:"pool"`
	ID         string `json:"id"`
	Generation int    `json:"generation"`
	CreatedAt  int64  `json:"created_at"`
	Fence      int64  `json:"fence"`
}

// Save implements task.Exporter. It fails if a save with a higher fence has saved the result,
// and with ErrNewerSchema.
func (e *Exporter) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	if err := e.prepare(ctx); err != nil {
		return nil, e.fail("save a result", err)
	}
	result := r.Result
	if result == nil {
		result = []byte{}
	}
	done, err := e.db.ExecContext(ctx, e.rebind(`INSERT INTO lts_results
	(pool, id, generation, fence, kind, queue, task_group, attempt, created_at, saved_at, result)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (pool, id, generation) DO UPDATE SET fence = excluded.fence, kind = excluded.kind, queue = excluded.queue,
	task_group = excluded.task_group, attempt = excluded.attempt, created_at = excluded.created_at, saved_at = excluded.saved_at,
	result = excluded.result WHERE lts_results.fence <= excluded.fence OR lts_results.created_at < excluded.created_at`),
		e.pool, r.ID, r.Generation, r.Fence, r.Kind, r.Queue, r.Group, r.Attempt, r.CreatedAt.UnixMilli(), time.Now().UnixMilli(), result)
	if err != nil {
		return nil, e.fail("save a result", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return nil, e.fail("save a result", errors.Join(errSuperseded, err))
	}
	return json.Marshal(reference{e.pool, r.ID, r.Generation, r.CreatedAt.UnixMilli(), r.Fence})
}

// Load implements task.Exporter. It returns ErrNotFound if there is no such row, or if it
// belongs to a later task with the id.
func (e *Exporter) Load(ctx context.Context, ref task.Reference) ([]byte, error) {
	at, err := parse(ref)
	if err == nil {
		err = e.prepare(ctx)
	}
	result := []byte{}
	if err == nil {
		err = e.db.QueryRowContext(ctx, e.rebind(`SELECT result FROM lts_results
	WHERE pool = ? AND id = ? AND generation = ? AND created_at = ? AND fence >= ?`),
			at.Pool, at.ID, at.Generation, at.CreatedAt, at.Fence).Scan(&result)
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, e.fail("load a result", err)
	}
	if result == nil { // SQLite returns an empty value so
		result = []byte{}
	}
	return result, nil
}

// Delete implements task.Exporter. A row that a later save has written stays.
func (e *Exporter) Delete(ctx context.Context, ref task.Reference) error {
	at, err := parse(ref)
	if err == nil {
		err = e.prepare(ctx)
	}
	if err == nil {
		_, err = e.db.ExecContext(ctx, e.rebind(`DELETE FROM lts_results
	WHERE pool = ? AND id = ? AND generation = ? AND created_at = ? AND fence <= ?`),
			at.Pool, at.ID, at.Generation, at.CreatedAt, at.Fence)
	}
	return e.fail("delete a result", err)
}

func parse(ref task.Reference) (at reference, err error) {
	if err := json.Unmarshal(ref, &at); err != nil || at.Pool == "" || at.ID == "" {
		return at, errors.New("the reference is not one of this exporter")
	}
	return at, nil
}

func (e *Exporter) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in %s: %w", what, e.place, err)
}
