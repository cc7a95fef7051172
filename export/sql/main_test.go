package sql

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/postgresserver"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

var soak = flag.Bool("soak", false, "kill replicas 200 times, as in make soak")

// patience bounds every wait of these tests. No wait takes nearly as long.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(child())
	}
	os.Exit(postgresserver.Main(func() int { return redisserver.Main(m) }))
}

// databases runs a test with SQLite and with PostgreSQL.
func databases(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "results.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresserver.Database(t)) })
}

func newExporter(t testing.TB, where string) *Exporter {
	t.Helper()
	e, err := New(where, Config{Pool: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func staged(id string, fence int64, result string) *task.Staged {
	return &task.Staged{ID: id, Kind: "k", Queue: "q", Group: "g", Attempt: 2, Fence: fence, CreatedAt: time.UnixMilli(7), Result: []byte(result)}
}

// row is a row of the table.
type row struct {
	ID     string
	Fence  int64
	Result string
}

func rows(t testing.TB, e *Exporter) (all []row) {
	t.Helper()
	found, err := e.db.QueryContext(t.Context(), "SELECT id, fence, result FROM lts_results ORDER BY id, generation")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var r row
		if err := found.Scan(&r.ID, &r.Fence, &r.Result); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
