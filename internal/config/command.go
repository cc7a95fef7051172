package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/executor/command"
)

// commandFields are the keys of a handler that concern its command.
func commandFields(r *yamlReader, cmd *command.Config) []field {
	return []field{
		{"command", r.texts(&cmd.Command, `["./cut.sh", "--fast"]`)},
		{"max_log", r.logSize(&cmd.MaxLog)},
		{"dir", r.text(&cmd.Dir)},
		{"inherit", func(n *yaml.Node, at string) {
			cmd.Inherit = []string{} // an empty list inherits nothing
			r.texts(&cmd.Inherit, "[PATH, HOME, LC_*]")(n, at)
		}},
		{"env", func(n *yaml.Node, at string) {
			r.each(n, at, func(name, at string, k, v *yaml.Node) {
				var value string
				r.text(&value)(v, at)
				if why := badVariable(name, value); why != "" {
					r.add(k, at, "%s", why)
					return
				}
				cmd.Env = append(cmd.Env, name+"="+value)
			})
		}},
		{"limits", func(n *yaml.Node, at string) { r.section(n, at, limitFields(r, &cmd.Limits)...) }},
		{"umask", r.text(&cmd.Umask)},
	}
}

// limitFields are the keys of the limits of a command.
func limitFields(r *yamlReader, l *command.Limits) []field {
	return []field{
		{"cpu", func(n *yaml.Node, at string) {
			r.duration(&l.CPU, false)(n, at)
			if l.CPU%time.Second != 0 {
				r.add(n, at, "must be in whole seconds, such as 90s, not %s", n.Value)
			}
		}},
		{"memory", r.bytes(&l.Memory)},
		{"files", r.number(&l.Files)},
		{"processes", r.number(&l.Processes)},
		{"file_size", r.bytes(&l.FileSize)},
		{"core", func(n *yaml.Node, at string) {
			if n.Kind == yaml.ScalarNode && n.Value == "none" {
				l.Core = command.NoCore
				return
			}
			r.bytes(&l.Core)(n, at)
		}},
	}
}

// units are the units of sizes.
var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// bytes reads a size of at least one byte, such as 4096, 64KiB or 2GiB.
func (r *yamlReader) bytes(to *int64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		text, unit := n.Value, int64(1)
		for _, u := range units {
			if number, ok := strings.CutSuffix(text, u.name); ok {
				text, unit = strings.TrimSpace(number), u.bytes
			}
		}
		v, err := strconv.ParseInt(text, 10, 64)
		switch {
		case n.Kind != yaml.ScalarNode, err != nil, v > math.MaxInt64/unit:
			r.add(n, key, "must be a size such as 4096, 64KiB, 512MiB or 2GiB, not %s", describe(n))
		case v < 0:
			r.add(n, key, "must not be negative, but is %s", n.Value)
		case v == 0:
			r.refuseZero(n, key)
		default:
			*to = v * unit
		}
	}
}

// commandVariables are set by the replica.
var commandVariables = []string{"LTS_TASK_ID", "LTS_KIND", "LTS_QUEUE", "LTS_ATTEMPT", "LTS_FENCE", "LTS_POOL"}

// badVariable returns what is wrong with an environment variable of a command, "" if
// nothing is. The value may be a secret and is not shown.
func badVariable(name, value string) string {
	switch {
	case name == "" || strings.ContainsAny(name, "=\x00"):
		return "cannot be the name of a variable: it must not be empty or hold = or a NUL byte"
	case strings.ContainsRune(value, 0):
		return "must not have a NUL byte in its value"
	case slices.Contains(commandVariables, name):
		return "is set by the replica for every command: use another name"
	}
	return ""
}

// handlerKey returns how the file spells a field of a handler's command.
func handlerKey(kind, field string) string {
	key := joinKey("handlers", kind)
	section, rest, nested := strings.Cut(field, ".")
	if key = joinKey(key, section); nested { // a variable or a limit
		key = joinKey(key, rest)
	}
	return key
}
