package archive

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ltsworker/ltsworker/integration/postgresserver"
	"github.com/ltsworker/ltsworker/integration/redisserver"
)

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(child())
	}
	os.Exit(postgresserver.Main(func() int { return redisserver.Main(m) }))
}

// databases runs a test with SQLite and with PostgreSQL.
func databases(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "archive.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresserver.Database(t)) })
}

func open(t testing.TB, where string) *DB {
	t.Helper()
	db, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// dump returns all rows of the archive as text, in an order that does not depend on keys.
func dump(t testing.TB, db *DB) (lines []string) {
	t.Helper()
	err := db.transact(context.Background(), func(tx *tx) error {
		tasks, err := tx.tasks(t.Context(), "ORDER BY pool, id, created_at, generation")
		if err != nil {
			return err
		}
		for _, one := range tasks {
			key := one.key
			one.key = 0
			lines = append(lines, sprint(one))
			attempts, err := tx.attempts(t.Context(), key)
			if err != nil {
				return err
			}
			for _, a := range attempts {
				lines = append(lines, "  "+sprint(a))
			}
			events, err := tx.events(t.Context(), key)
			if err != nil {
				return err
			}
			for _, e := range events {
				lines = append(lines, "  "+sprint(e))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
