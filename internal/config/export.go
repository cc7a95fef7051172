package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/export/file"
	"github.com/ltsworker/ltsworker/export/sql"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Export says where the results of a kind are kept. One of the first four is set.
type Export struct {
	Dir     string // of files
	SQLite  string // the path of a database
	DSNEnv  string // the variable with the DSN of PostgreSQL
	DSNFile string // the file with it
	Name    string // the template of the names of files
}

// exportKeys names the places of results.
const exportKeys = "dir, sqlite, dsn_env or dsn_file"

// places returns the keys of the places that are set.
func (e Export) places() (set []string) {
	for _, p := range [][2]string{{"dir", e.Dir}, {"sqlite", e.SQLite}, {"dsn_env", e.DSNEnv}, {"dsn_file", e.DSNFile}} {
		if p[1] != "" {
			set = append(set, p[0])
		}
	}
	return set
}

// readExport reads the section export of a handler.
func (c *Config) readExport(r *yamlReader, kind string) func(n *yaml.Node, at string) {
	return func(n *yaml.Node, at string) {
		var e Export
		var p pool.Export
		r.section(n, at,
			field{"dir", r.text(&e.Dir)},
			field{"name", r.text(&e.Name)},
			field{"sqlite", r.text(&e.SQLite)},
			field{"dsn_env", r.text(&e.DSNEnv)},
			field{"dsn_file", r.text(&e.DSNFile)},
			field{"workers", r.number(&p.Workers)},
			field{"timeout", r.duration(&p.Timeout, false)},
			field{"max_attempts", r.number(&p.MaxAttempts)},
			field{"max_staged", r.number(&p.MaxStaged)},
			field{"backoff", r.backoff(&p.Backoff)})
		set := e.places()
		switch {
		case r.refused(at):
		case len(set) == 0:
			r.add(n, at, "must say where the results are kept: %s, such as {dir: results} or {dsn_env: RESULTS_DSN}", exportKeys)
		case len(set) > 1:
			r.add(n, at, "must name one place for the results, not %s", strings.Join(set, " and "))
		case e.Name != "" && e.Dir == "":
			r.add(n, joinKey(at, "name"), "is for files only: set dir, or remove the line")
		}
		if c.Pool.Exports == nil {
			c.Pool.Exports, c.Exports = map[string]pool.Export{}, map[string]Export{}
		}
		c.Pool.Exports[kind], c.Exports[kind] = p, e
	}
}

// OpenExports makes the exporters of the handlers. Paths are relative to the directory of the
// file. One that cannot be used is a problem, see Err. No problem contains a DSN.
func (c *Config) OpenExports(poolName string) error {
	base, err := filepath.Abs(filepath.Dir(c.file))
	if err != nil {
		return fmt.Errorf("find the directory of the config file: %w", err)
	}
	under := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(base, path)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Exports)) {
		e, at := c.Exports[kind], handlerKey(kind, "export")
		if c.Refused(at) {
			continue
		}
		p, key, where := c.Pool.Exports[kind], e.places()[0], ""
		switch key {
		case "dir":
			p.Exporter, err = file.New(file.Config{Dir: under(e.Dir), Name: e.Name})
			if fields := task.FieldErrors(err); len(fields) > 0 {
				key, err = fields[0].Field, fmt.Errorf("%s", fields[0].Msg)
			}
		case "sqlite":
			where = under(e.SQLite)
		case "dsn_env":
			if where = os.Getenv(e.DSNEnv); where == "" {
				err = fmt.Errorf("names the variable %s, which is not set: set it to the DSN", e.DSNEnv)
			}
		case "dsn_file":
			var text []byte
			text, err = os.ReadFile(under(e.DSNFile))
			where = strings.TrimSpace(string(text))
		}
		if err == nil && key != "dir" {
			if p.Exporter, err = sql.New(where, sql.Config{Pool: poolName}); err != nil {
				err = fmt.Errorf("cannot be used: %s", strings.TrimPrefix(err.Error(), "export to a database: "))
			}
		}
		if err != nil {
			c.Refuse(joinKey(at, key), err.Error())
			err = nil
			continue
		}
		c.Pool.Exports[kind] = p
	}
	return nil
}
