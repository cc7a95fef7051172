package archive

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// connectSQLite opens the file at path. The lists name their index: the planner of SQLite
// may choose one whose rows it must sort, or that leads to many rows that do not match.
//
// Every transaction takes the lock for writing at its begin, so that two archivers wait
// for each other instead of failing. The journal is a write-ahead log: a crash of the
// machine can undo the last transactions, but each as a whole, with the cursor in it.
func connectSQLite(path string, create bool) (*DB, error) {
	mode := "rw"
	if create {
		mode = "rwc"
	} else if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", ErrNoArchive, path)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	q := url.Values{"mode": {mode}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-65536)"}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(full), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	pool.SetMaxOpenConns(8)
	return &DB{pool, path, dialect{
		name:    "sqlite",
		rebind:  func(query string) string { return query },
		indexed: " INDEXED BY ",
		explain: "EXPLAIN QUERY PLAN ",
		busy: func(err error) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && (e.Code()&0xff == lib.SQLITE_BUSY || e.Code()&0xff == lib.SQLITE_LOCKED)
		},
		missing: func(err error) bool { return strings.Contains(err.Error(), "no such table") },
	}}, nil
}
