package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ltsworker/ltsworker/task"
)

// Env are the variables of an environment. Their names are constant, their values may be
// templates.
type Env []variable

type variable struct {
	name  string
	value Template
}

// loads matches variables from which a loader, a shell or an interpreter takes code.
var loads = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(PATH|LD_.*|DYLD_.*|BASH_ENV|ENV|IFS|SHELLOPTS|PS4|PROMPT_COMMAND|PYTHON(PATH|HOME|STARTUP)|PERL5(LIB|OPT|DB)|RUBY(LIB|OPT)|NODE_(OPTIONS|PATH)|JAVA_TOOL_OPTIONS|GIT_.*)$`)
})

// ParseEnv parses KEY=value entries. It returns a *task.FieldError for every entry that
// cannot be used. Its field is that of the list, followed by a dot and the name if there
// is one. A variable from which programs take code must be constant.
func ParseEnv(field string, env []string) (parsed Env, errs []error) {
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.ContainsRune(e, 0) {
			// The value may be a secret: show only the name.
			errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf("must contain KEY=value entries without NUL bytes: the one for %q is none", name)})
			continue
		}
		t, err := Parse(value)
		if _, constant := t.Constant(); err == nil && !constant && loads().MatchString(name) {
			err = errors.New("must not be a template: programs take code from the places that this variable names")
		}
		if err != nil {
			errs = append(errs, &task.FieldError{Field: field + "." + name, Msg: err.Error()})
		}
		parsed = append(parsed, variable{name, t})
	}
	return parsed, errs
}

// Constant reports whether no variable has a value of the task.
func (e Env) Constant() bool {
	return !slices.ContainsFunc(e, func(x variable) bool { return x.value.hole != nil })
}

// Fill returns the variables as KEY=value entries.
func (e Env) Fill(v *Values) ([]string, error) {
	var env []string
	for _, x := range e {
		value, err := x.value.Env(v)
		if err != nil {
			return nil, err
		}
		env = append(env, x.name+"="+value)
	}
	return env, nil
}

// TraceEnv returns the headers of task.TraceHeaders as variables, such as TRACEPARENT. It leaves
// values out that no variable can have.
func TraceEnv(ctx context.Context) (env []string) {
	headers := task.TraceHeaders(ctx)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !strings.ContainsAny(headers[name], "\x00\r\n") {
			env = append(env, notInNames.ReplaceAllString(strings.ToUpper(name), "_")+"="+headers[name])
		}
	}
	return env
}

// notInNames matches the characters that the name of a variable does not have.
var notInNames = regexp.MustCompile(`[^A-Z0-9_]`)

// ShardEnv returns LTS_SHARD, LTS_SHARDS and LTS_SHARD_PARAM of a child, nil for other
// tasks.
func ShardEnv(t *task.Task) []string {
	if t.Shard.Total == 0 {
		return nil
	}
	return []string{
		"LTS_SHARD=" + strconv.Itoa(t.Shard.Index), "LTS_SHARDS=" + strconv.Itoa(t.Shard.Total), "LTS_SHARD_PARAM=" + t.Shard.Param,
	}
}
