package sql

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver of SQLite
)

// openPostgres makes an exporter for a DSN, without a call.
func openPostgres(dsn string) (*Exporter, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errForm // the text of err may contain the password
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "ltsworker results"
	}
	return &Exporter{db: stdlib.OpenDB(*c), place: c.Database + " at " + c.Host, dialect: dialect{
		rebind: numbered,
		lock:   "SELECT pg_advisory_xact_lock(20251130)", // any number that other programs do not use
		bytes:  "BYTEA",
	}}, nil
}

// openSQLite makes an exporter for the file at path, without opening it. A transaction is on
// the disk when it ends, because the staged result is then removed.
func openSQLite(path string) (*Exporter, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := checkFile(full); err != nil {
		return nil, err
	}
	q := url.Values{"mode": {"rwc"}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(full), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	return &Exporter{db: db, place: path, dialect: dialect{rebind: func(query string) string { return query }, bytes: "BLOB"}}, nil
}

// checkFile returns an error unless a file at path can exist: SQLite makes the file, not its
// directory.
func checkFile(path string) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist: make it, or correct the path", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory: correct the path", dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory: give the path of a file", path)
	}
	return nil
}

// numbered replaces the placeholders ? with $1, $2 and so on. No query of this package has
// a question mark in a literal.
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for i := range len(query) {
		if query[i] != '?' {
			b.WriteByte(query[i])
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}
