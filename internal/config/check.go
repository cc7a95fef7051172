package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/executor/command"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// add adds problems of the file.
func (c *Config) add(problems ...problem) { c.problems = append(c.problems, problems...) }

// Refuse adds the problem that the value of a key cannot be used. The key is at the
// top level of the file.
func (c *Config) Refuse(key, msg string) {
	c.add(problem{line: c.line(key), key: key, msg: msg})
}

// RefusePool adds each field that pool.New refused, as the file spells it. An error
// without fields is added as it is. nil adds nothing.
func (c *Config) RefusePool(err error) { c.refuseFields(err, poolKey) }

// refuseFields adds the fields that the pool or a command refused. key returns how the
// file spells a field.
func (c *Config) refuseFields(err error, key func(field string) string) {
	fields := task.FieldErrors(err)
	if err != nil && len(fields) == 0 {
		c.add(problem{msg: err.Error()})
	}
	for _, f := range fields {
		key := key(f.Field)
		if !c.Refused(key) {
			c.Refuse(key, f.Msg)
		}
	}
}

// poolKey returns how the file spells a field of the pool's configuration.
func poolKey(field string) string {
	switch field {
	case "max_events":
		return joinKey("events", "max")
	case "event_age":
		return joinKey("events", "age")
	case "archive_wait":
		return joinKey("archive", "wait")
	}
	section, rest, nested := strings.Cut(field, ".")
	if !nested {
		return field
	}
	if section == "exports" {
		kind, key := rest, ""
		for _, name := range []string{"exporter", "workers", "timeout", "max_attempts", "max_staged", "backoff"} {
			if of, found := strings.CutSuffix(rest, "."+name); found {
				kind, key = of, name
			}
		}
		if at := handlerKey(kind, "export"); key == "" || key == "exporter" {
			return at
		} else {
			return joinKey(at, key)
		}
	}
	// Names may contain dots.
	split := strings.LastIndexByte(rest, '.')
	switch section {
	case "groups":
		split = strings.IndexByte(rest, '.')
	case "policies":
		section = "handlers"
	}
	if split < 0 {
		return joinKey(section, rest)
	}
	return joinKey(joinKey(section, rest[:split]), rest[split+1:])
}

// Refused reports whether there is a problem with the key or inside of it.
func (c *Config) Refused(key string) bool { return refused(c.problems, key) }

func refused(problems []problem, key string) bool {
	return slices.ContainsFunc(problems, func(p problem) bool {
		return p.key == key || strings.HasPrefix(p.key, key+keyGap) || strings.HasPrefix(p.key, key+"[")
	})
}

// line returns the line of the key, or else of the section that should hold it.
func (c *Config) line(key string) int {
	for {
		if line, ok := c.lines[key]; ok {
			return line
		}
		i := strings.LastIndex(key, keyGap)
		if i < 0 {
			return 0
		}
		key = key[:i]
	}
}

// Commands makes the handlers by kind. A program that is not found is a problem, see
// Err. Paths are relative to the directory of the file. log gets outages of engines and
// services; nil is slog.Default.
func (c *Config) Commands(poolName string, log *slog.Logger) (map[string]task.Handler, error) {
	base, err := filepath.Abs(filepath.Dir(c.file))
	if err != nil {
		return nil, fmt.Errorf("find the directory of the config file: %w", err)
	}
	handlers := map[string]task.Handler{}
	for _, kind := range slices.Sorted(maps.Keys(c.Handlers)) {
		h := c.Handlers[kind]
		if !filepath.IsAbs(h.Dir) {
			h.Dir = filepath.Join(base, h.Dir)
		}
		h.Pool, h.Secrets = poolName, c.secretVariables()
		if h.MaxLog == 0 {
			// For a command, none also means that no error has its last line.
			h.MaxLog = c.Pool.MaxLog
		}
		if grace := c.Pool.StopGrace; grace > 0 {
			// The replica waits for a killed command to end, within its stop grace.
			h.Grace = grace * 8 / 10
		}
		handlers[kind], err = command.New(h)
		c.refuseFields(err, func(field string) string { return handlerKey(kind, field) })
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Docker)) {
		handlers[kind] = c.dockerHandler(poolName, base, kind, log)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Remote)) {
		handlers[kind] = c.remoteHandler(poolName, base, kind, log)
	}
	return handlers, nil
}

// Err returns all problems of the file, by line. It is nil if there are none.
func (c *Config) Err() error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b problem) int { return a.line - b.line })
	var lines []string
	for _, p := range c.problems {
		line := c.file
		if p.line > 0 {
			line += ":" + strconv.Itoa(p.line)
		}
		line += ":"
		if p.key != "" {
			line += " " + terminal.Visible(strings.ReplaceAll(p.key, keyGap, "."))
		}
		lines = append(lines, line+" "+p.msg)
	}
	return errors.New("the config file cannot be used; nothing was started\n" + strings.Join(lines, "\n"))
}
