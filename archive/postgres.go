package archive

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connectPostgres makes a DB for a DSN, without a call.
func connectPostgres(dsn string) (*DB, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The text of the error may contain the password.
		return nil, fmt.Errorf("open the archive: %w", errForm)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "ltsworker archive"
	}
	pool := stdlib.OpenDB(*c)
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(2)
	return &DB{pool, c.Database + " at " + c.Host, dialect{
		name:    "postgres",
		rebind:  numbered,
		lock:    "SELECT pg_advisory_xact_lock(20251129)", // any number that other programs do not use
		share:   " FOR UPDATE",
		explain: "EXPLAIN ",
		busy:    func(err error) bool { return hasCode(err, "40001", "40P01") },
		missing: func(err error) bool { return hasCode(err, "42P01") },
	}}, nil
}

// HasPassword reports whether where is a DSN with a password.
func HasPassword(where string) bool {
	if !isDSN(where) {
		return false
	}
	u, err := url.Parse(where)
	if err != nil {
		return true // it may have one
	}
	_, set := u.User.Password()
	return set || u.Query().Has("password") || u.Query().Has("sslpassword")
}

func hasCode(err error, codes ...string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// numbered replaces the placeholders ? with $1, $2 and so on. No query of this package
// has a question mark in a literal.
func numbered(query string) string {
	var b strings.Builder
	b.Grow(len(query) + 64)
	n := 0
	for i := range len(query) {
		if query[i] != '?' {
			b.WriteByte(query[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}
