package sqlarchive

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/console"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// The console shows a task of an SQLite file after Redis has removed it, also if the file was made
// after the console.
func TestConsoleShowsTasksOfADatabase(t *testing.T) {
	t.Parallel()
	store := redisstore.New(redisserver.Shared(t).Client(t), "archived")
	defer store.Close()
	file := filepath.Join(t.TempDir(), "tasks.db")
	from := Open(file)
	defer from.Close()
	if _, err := from.Get(t.Context(), "archived", "a"); !errors.Is(err, archive.ErrNoArchive) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := store.Enqueue(t.Context(), []task.Spec{{ID: "a", Kind: "k", Payload: []byte(`{"n":1}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stop(t.Context(), "too old", "a"); err != nil {
		t.Fatal(err)
	}
	db, err := archive.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a, err := archive.New(db, store, archive.Config{Pool: "archived", Once: true})
	if err == nil {
		err = a.Run(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other := Open(file)
	defer other.Close()
	if _, err := other.Get(ended, "archived", "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has ended: %v", err)
	}
	if _, err := other.Get(t.Context(), "archived", "a"); err != nil {
		t.Errorf("after a request that has ended: %v", err)
	}
	if _, err := store.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	gate, err := access.New(access.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	from.failed = time.Time{} // the next attempt need not wait
	c, err := console.New(console.Options{Stores: []*redisstore.Store{store}, Gate: gate, Archive: from})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server := httptest.NewServer(c)
	defer server.Close()
	for path, want := range map[string]string{"/p/archived/task?id=a": "too old", "/p/archived/tasks?state=stopped": "archived?id=a", "/p/archived/archived?id=a": "ltsworker archive get"} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d %v, it lacks %q", path, resp.StatusCode, err, want)
		}
	}
}

// A console without an archive is built without the drivers of databases.
func TestConsoleIsBuiltWithoutDatabases(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/ltsworker/ltsworker/console").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path == "database/sql" || strings.HasPrefix(path, "modernc.org/") || strings.HasPrefix(path, "github.com/jackc/") {
			t.Errorf("the console is built with %s", path)
		}
	}
}
