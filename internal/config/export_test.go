package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/export/file"
	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/pool"
)

func withExport(file, export string) *Config {
	return parse(file, []byte("queues: {q: }\nhandlers:\n  a.b:\n    command: [cat]\n    export: "+export))
}

func TestExportSaysWhatItSays(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dsn"), []byte("postgres://u:secret@h/results\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RESULTS_DSN", "postgres://u:secret@h/results")
	for text, want := range map[string]any{
		"{dir: results, name: '{id}'}": &file.Exporter{},
		"{sqlite: results.db}":         &sql.Exporter{},
		"{dsn_env: RESULTS_DSN}":       &sql.Exporter{},
		"{dsn_file: dsn}":              &sql.Exporter{},
	} {
		text = strings.TrimSuffix(text, "}") + ", workers: 3, timeout: 5s, max_attempts: 7, max_staged: 9, backoff: fixed:100}"
		c := withExport(filepath.Join(dir, "f.yaml"), text)
		if err := c.OpenExports("p"); err != nil || c.Err() != nil {
			t.Errorf("%s: %v, %v", text, err, c.Err())
			continue
		}
		got := c.Pool.Exports["a.b"]
		if g, w := typeName(got.Exporter), typeName(want); g != w {
			t.Errorf("%s: a %s, want a %s", text, g, w)
		}
		got.Exporter = nil
		export := pool.Export{Workers: 3, Timeout: 5 * time.Second, MaxAttempts: 7, MaxStaged: 9, Backoff: pool.Backoff{Fixed: true, Base: 100 * time.Millisecond}}
		if d := cmp.Diff(export, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "results")); err != nil {
		t.Errorf("the directory is not beside the file: %v", err)
	}
}

func typeName(v any) string {
	switch v.(type) {
	case *file.Exporter:
		return "exporter to files"
	case *sql.Exporter:
		return "exporter to a database"
	}
	return "?"
}

func TestMistakesInAnExportAreNamed(t *testing.T) {
	t.Setenv("BAD_DSN", "postgres://u:secret@h:port/db")
	for text, want := range map[string]string{
		"{}":                        "f.yaml:5: handlers.a.b.export must say where the results are kept: dir, sqlite, dsn_env or dsn_file",
		"{workers: 2}":              "must say where the results are kept",
		"{dir: x, sqlite: y}":       "must name one place for the results, not dir and sqlite",
		"{sqlite: x, name: y}":      "handlers.a.b.export.name is for files only",
		"{dir: x, name: ../y}":      "handlers.a.b.export.name must be a path below the directory",
		"{dsn_env: NO_SUCH_VAR}":    "handlers.a.b.export.dsn_env names the variable NO_SUCH_VAR, which is not set",
		"{dsn_env: BAD_DSN}":        "handlers.a.b.export.dsn_env cannot be used: the DSN cannot be read",
		"{dsn_file: none}":          "handlers.a.b.export.dsn_file",
		"{sqlite: none/x.db}":       "f.yaml:5: handlers.a.b.export.sqlite cannot be used: the directory ",
		"{sqlite: none/y.db}":       "/none does not exist: make it, or correct the path",
		"{sqlite: .}":               " is a directory: give the path of a file",
		"{dsn: postgres://u@h/db}":  "handlers.a.b.export.dsn is not a key here; there are dir, name, sqlite, dsn_env, dsn_file",
		"{dir: x, workers: -1}":     "handlers.a.b.export.workers",
		"{dir: x, workers: 5000}":   "handlers.a.b.export.workers must be from 1 to 1000, not 5000",
		"{dir: x, timeout: 1000h}":  "handlers.a.b.export.timeout must be from 1ms to 24h",
		"{dir: x, max_staged: 1e9}": "handlers.a.b.export.max_staged",
		"{dir: x, backoff: often}":  "handlers.a.b.export.backoff",
		"results":                   "handlers.a.b.export must be a mapping",
	} {
		c := withExport(filepath.Join(t.TempDir(), "f.yaml"), text)
		if err := c.OpenExports("p"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if c.Err() == nil {
			_, err := pool.New(nil, c.Pool)
			c.RefusePool(err)
		}
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("export: %s is answered with %v, want %s", text, err, want)
		}
	}
}
