package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/executor/command"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// blame adds to what is wrong with the file.
func (c *config) blame(problems ...problem) { c.problems = append(c.problems, problems...) }

// blameFields adds what the pool or a command refused; key is how the file spells
// a field of theirs.
func (c *config) blameFields(err error, key func(field string) string) {
	fields := fieldErrors(err)
	if err != nil && len(fields) == 0 {
		c.blame(problem{msg: err.Error()})
	}
	for _, f := range fields {
		key := key(f.Field)
		if !c.blamed(key) {
			c.blame(problem{line: c.line(key), key: key, msg: f.Msg})
		}
	}
}

// poolKey is how the file spells a field of the pool's configuration.
func poolKey(field string) string {
	switch field {
	case "max_events":
		return joinKey("events", "max")
	case "event_age":
		return joinKey("events", "age")
	}
	section, rest, nested := strings.Cut(field, ".")
	if !nested {
		return field
	}
	// Names may have dots in them.
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

// blamed reports whether something is wrong with the key or inside of it.
func (c *config) blamed(key string) bool { return blamed(c.problems, key) }

func blamed(problems []problem, key string) bool {
	return slices.ContainsFunc(problems, func(p problem) bool {
		return p.key == key || strings.HasPrefix(p.key, key+keyGap) || strings.HasPrefix(p.key, key+"[")
	})
}

// line is where the key stands, or else the section that should hold it.
func (c *config) line(key string) int {
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

// commands makes the handlers. It looks for their programs.
func (c *config) commands(poolName string) (map[string]task.Handler, error) {
	base, err := filepath.Abs(filepath.Dir(c.file))
	if err != nil {
		return nil, fmt.Errorf("find the directory of the config file: %w", err)
	}
	handlers := map[string]task.Handler{}
	for _, kind := range slices.Sorted(maps.Keys(c.handlers)) {
		h := c.handlers[kind]
		if !filepath.IsAbs(h.Dir) {
			h.Dir = filepath.Join(base, h.Dir)
		}
		h.Pool = poolName
		if grace := c.pool.StopGrace; grace > 0 {
			// The replica must see a killed command end before it gives it up.
			h.Grace = grace * 8 / 10
		}
		handlers[kind], err = command.New(h)
		c.blameFields(err, func(field string) string { return joinKey(joinKey("handlers", kind), field) })
	}
	return handlers, nil
}

// refusal says everything that is wrong with the file, by line; nil is nothing.
func (c *config) refusal() error {
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
	return &inputError{errors.New("the config file cannot be used; nothing was started\n" + strings.Join(lines, "\n"))}
}
