package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

// DB is an archive in a database. It may hold the tasks of several pools. It is safe for
// concurrent use.
type DB struct {
	sql   *sql.DB
	place string
	dialect
}

// dialect is what differs between the databases.
type dialect struct {
	name    string                    // the folder of its migrations
	rebind  func(query string) string // replaces the placeholders "?"
	lock    string                    // a statement that lets one transaction at a time go on; "" if all that write do
	share   string                    // ends a SELECT whose row no other transaction may change
	indexed string                    // precedes the name of an index that a query must use; "" if the planner chooses better
	explain string                    // begins a query whose plan is shown
	busy    func(err error) bool      // another connection holds a lock: the call may be repeated
	missing func(err error) bool      // a table does not exist
}

// openPatience bounds the retries while another process changes the schema.
const openPatience = 30 * time.Second

// Open opens the archive at where, makes it if it does not exist, and updates its schema.
// where is the path of an SQLite file, or a DSN of PostgreSQL that begins with
// "postgres://" or "postgresql://". Errors never contain the DSN. Open returns
// ErrNewerSchema if a newer version of the program has changed the archive.
func Open(ctx context.Context, where string) (*DB, error) {
	db, err := connect(where, true)
	if err != nil {
		return nil, err
	}
	if err := db.retryBusy(ctx, func() error { return db.migrate(ctx) }); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	return db, nil
}

// OpenExisting opens an archive to read it. It returns ErrNoArchive if there is none.
func OpenExisting(ctx context.Context, where string) (*DB, error) {
	db, err := connect(where, false)
	if err != nil {
		return nil, err
	}
	if err := db.retryBusy(ctx, func() error { return db.checkVersion(ctx) }); err != nil {
		db.Close()
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	return db, nil
}

// connect makes a DB without a call, apart from checking for the file of SQLite.
func connect(where string, create bool) (*DB, error) {
	switch {
	case where == "":
		return nil, errors.New("open the archive: neither a file nor a DSN is given")
	case isDSN(where):
		return connectPostgres(where)
	case strings.Contains(where, "://"), keywords.MatchString(where):
		return nil, fmt.Errorf("open the archive: %w", errForm)
	}
	return connectSQLite(where, create)
}

func isDSN(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// keywords matches a DSN of the other form of PostgreSQL, such as "host=h password=p". As a
// path it would show the password.
var keywords = regexp.MustCompile(`(?:^|\s)(?:host|hostaddr|port|user|password|dbname|service|sslmode)\s*=`)

// errForm is returned for a DSN that cannot be read. It does not contain the DSN.
var errForm = errors.New("the DSN cannot be read; write it like postgres://USER:PASSWORD@HOST/DATABASE, or give the path of an SQLite file")

// Place returns where the archive is, for messages: the path of the file, or the host and
// the database.
func (db *DB) Place() string { return db.place }

// Close closes the connections.
func (db *DB) Close() error { return db.sql.Close() }

// retryBusy repeats call while another connection holds a lock of the database.
func (db *DB) retryBusy(ctx context.Context, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	for n := 1; ; n++ {
		err := call()
		if err == nil || !db.busy(err) || backoff.Sleep(ctx, backoff.Delay(n)) != nil {
			return err
		}
	}
}

func (db *DB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.sql.QueryContext(ctx, db.rebind(query), args...)
}

// transact calls do in a transaction.
func (db *DB) transact(ctx context.Context, do func(tx *tx) error) error {
	t, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := do(&tx{t, db.dialect}); err != nil {
		return err
	}
	return t.Commit()
}

// tx is a transaction whose queries have the placeholder "?" in both dialects.
type tx struct {
	tx *sql.Tx
	dialect
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, t.rebind(query), args...)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.rebind(query), args...)
}

func (t *tx) row(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.rebind(query), args...)
}
