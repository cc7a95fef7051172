package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/internal/health"
	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// problem is one thing that is wrong with a config file.
type problem struct {
	line int // 0 for none
	key  string
	msg  string
}

// keyGap separates the names on the way from the root to a key, such as queues, default
// and workers. A dot would not do, since names of queues and kinds may contain dots.
const keyGap = "\x00"

// yamlReader reads a config file. It goes on after a problem, so that all are reported
// at once, and records the line of each key.
type yamlReader struct {
	problems []problem
	lines    map[string]int
	secrets  []string // variables that sections name as places of secrets
}

func (r *yamlReader) add(n *yaml.Node, key, format string, args ...any) {
	r.problems = append(r.problems, problem{line: n.Line, key: key, msg: fmt.Sprintf(format, args...)})
}

// refused reports whether there is a problem with the key or inside of it.
func (r *yamlReader) refused(key string) bool { return refused(r.problems, key) }

// field reads the value of one key.
type field struct {
	name string
	read func(n *yaml.Node, key string)
}

// section reads a mapping with a fixed set of keys.
func (r *yamlReader) section(n *yaml.Node, at string, fields ...field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	r.each(n, at, func(name, key string, k, v *yaml.Node) {
		i := slices.Index(names, name)
		if i >= 0 {
			fields[i].read(v, key)
			return
		}
		r.add(k, key, "is not a key here; %s", spelling.Hint(name, names))
	})
}

// each reads a mapping with any keys and refuses repeated keys.
func (r *yamlReader) each(n *yaml.Node, at string, read func(name, key string, k, v *yaml.Node)) {
	if n = follow(n); n.Kind != yaml.MappingNode {
		if at == "" {
			at = "the file"
		}
		r.add(n, at, "must be a mapping of keys to values, not %s", describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), follow(n.Content[i+1])
		key := joinKey(at, k.Value)
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			r.add(k, joinKey(at, describe(k)), "cannot be used as a key")
			continue
		}
		if line, ok := seen[k.Value]; ok {
			r.add(k, key, "is given twice, first on line %d", line)
			continue
		}
		seen[k.Value] = k.Line
		r.lines[key] = k.Line
		read(k.Value, key, k, v)
	}
}

func joinKey(at, name string) string {
	if len(name) > 64 {
		name = terminal.Cut(name, 64)
	}
	if at == "" {
		return name
	}
	return at + keyGap + name
}

// follow returns the node that an alias refers to, else n.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// describe names a value for a message.
func describe(n *yaml.Node) string {
	switch n = follow(n); {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return terminal.Quoted(n.Value)
}

// name reads a name that task.CheckName accepts.
func (r *yamlReader) name(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			r.add(n, key, "must be a name, not %s", describe(n))
		} else if err := task.CheckName(n.Value); err != nil {
			r.add(n, key, "%v", err)
		} else {
			*to = n.Value
		}
	}
}

// text reads any scalar as text.
func (r *yamlReader) text(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			hint := ""
			if n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
				hint = `: write a template in quotes, as in "{{payload.url}}"`
			}
			r.add(n, key, "must be text, not %s%s", describe(n), hint)
			return
		}
		*to = n.Value
	}
}

// address reads the address of an endpoint.
func (r *yamlReader) address(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		r.text(to)(n, key)
		if r.refused(key) {
			return
		}
		if err := health.CheckAddress(*to); err != nil {
			r.add(n, key, "%v", err)
		}
	}
}

// texts reads a list of texts.
func (r *yamlReader) texts(to *[]string, example string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind != yaml.SequenceNode {
			r.add(n, key, "must be a list such as %s, not %s", example, describe(n))
			return
		}
		for i, item := range n.Content {
			var s string
			at := key + "[" + strconv.Itoa(i) + "]"
			r.lines[at] = item.Line
			r.text(&s)(follow(item), at)
			*to = append(*to, s)
		}
	}
}

// refuseZero refuses a 0 where 0 would silently mean the default.
func (r *yamlReader) refuseZero(n *yaml.Node, key string) {
	r.add(n, key, "must be more than 0, not %s; remove the key for the default", n.Value)
}

// integer reads a whole number. what names the values that the key may have.
func (r *yamlReader) integer(n *yaml.Node, key, what string) (v int, ok bool) {
	v, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && err == nil:
		r.add(n, key, "must be a number and not text: leave out the quotes, as in %d", v)
	case n.Kind != yaml.ScalarNode, n.ShortTag() == "!!str", err != nil:
		r.add(n, key, "must be %s, not %s", what, describe(n))
	default:
		return v, true
	}
	return 0, false
}

// number reads a whole number other than 0.
func (r *yamlReader) number(to *int) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		switch v, ok := r.integer(n, key, "a whole number"); {
		case ok && v == 0:
			r.refuseZero(n, key)
		case ok:
			*to = v
		}
	}
}

// flag reads true or false.
func (r *yamlReader) flag(to *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(to) != nil {
			r.add(n, key, "must be true or false, not %s", describe(n))
		}
	}
}

// numberOrNone reads a whole number, or "none" as the given value. check returns what is
// wrong with a number, "" if nothing is.
func (r *yamlReader) numberOrNone(to *int, none int, check func(v int) string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind == yaml.ScalarNode && n.Value == "none" {
			*to = none
			return
		}
		if v, ok := r.integer(n, key, "a whole number or none"); ok {
			if wrong := check(v); wrong != "" {
				r.add(n, key, "%s", wrong)
				return
			}
			*to = v
		}
	}
}

// logSize reads a number of bytes; "none" is task.NoLog.
func (r *yamlReader) logSize(to *int) func(*yaml.Node, string) {
	return r.numberOrNone(to, task.NoLog, func(v int) string {
		if v < 1 || v > task.MaxLogLen {
			return fmt.Sprintf("must be from 1 to %d bytes, or none, not %d", task.MaxLogLen, v)
		}
		return ""
	})
}

// limit reads a limit or a cap; "none" is task.NoLimit, and 0 changes nothing.
func (r *yamlReader) limit(to *int) func(*yaml.Node, string) {
	return r.numberOrNone(to, task.NoLimit, func(v int) string {
		if v < 0 {
			return fmt.Sprintf("must not be negative, but is %d; write none for no limit", v)
		}
		return ""
	})
}

// duration reads a duration other than 0. If forever is true, "none" is task.Forever.
func (r *yamlReader) duration(to *time.Duration, forever bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			r.add(n, key, "must be a duration such as 30s or 5m, not %s", describe(n))
			return
		}
		if forever && n.Value == "none" {
			*to = task.Forever
			return
		}
		d, err := timespan.Parse(n.Value)
		switch {
		case err != nil && forever:
			r.add(n, key, "%v, or none", err)
		case err != nil:
			r.add(n, key, "%v", err)
		case d == 0:
			r.refuseZero(n, key)
		default:
			*to = d
		}
	}
}

// archiveWait reads a duration; none is task.NoWait.
func (r *yamlReader) archiveWait(to *time.Duration) func(*yaml.Node, string) {
	read := r.duration(to, true)
	return func(n *yaml.Node, key string) {
		if read(n, key); *to == task.Forever {
			*to = task.NoWait
		}
	}
}
