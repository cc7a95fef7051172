package command

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// withheld are the variables that no command inherits: those by which systemd controls a
// service, because a command could send notifications in the name of the replica or use
// its sockets, and the URL of Redis, which may hold a password.
var withheld = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LTS_REDIS"}

// variable is a variable that the config adds.
type variable struct {
	name  string
	value template.Template
}

// loads matches variables from which a loader, a shell or an interpreter takes code.
var loads = regexp.MustCompile(`^(PATH|LD_.*|DYLD_.*|BASH_ENV|ENV|IFS|SHELLOPTS|PS4|PROMPT_COMMAND|PYTHON(PATH|HOME|STARTUP)|PERL5(LIB|OPT|DB)|RUBY(LIB|OPT)|NODE_(OPTIONS|PATH)|JAVA_TOOL_OPTIONS|GIT_.*)$`)

// parseEnv parses KEY=value entries.
func parseEnv(env []string) (variables []variable, errs []error) {
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.ContainsRune(e, 0) {
			// The value may be a secret: show only the name.
			errs = append(errs, &task.FieldError{Field: "env", Msg: fmt.Sprintf("must contain KEY=value entries without NUL bytes: the one for %q is none", name)})
			continue
		}
		t, err := template.Parse(value)
		if _, constant := t.Constant(); err == nil && !constant && loads.MatchString(name) {
			err = errors.New("must not be a template: programs take code from the places that this variable names")
		}
		if err != nil {
			errs = append(errs, &task.FieldError{Field: "env." + name, Msg: err.Error()})
		}
		variables = append(variables, variable{name, t})
	}
	return variables, errs
}

// checkInherit returns everything that is wrong with names of inherited variables.
func checkInherit(inherit []string) (errs []error) {
	for i, name := range inherit {
		msg := ""
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			msg = "must be the name of a variable, such as PATH or LC_*"
		case strings.Contains(strings.TrimSuffix(name, "*"), "*"):
			msg = fmt.Sprintf("may have a * only at its end, as in LC_*, not %q", name)
		case slices.Contains(withheld, name):
			msg = fmt.Sprintf("must not name %s: no command inherits it", name)
		}
		if msg != "" {
			errs = append(errs, &task.FieldError{Field: "inherit[" + strconv.Itoa(i) + "]", Msg: msg})
		}
	}
	return errs
}

// inherits reports whether a command gets a variable of this process.
func (c *Config) inherits(name string) bool {
	if slices.Contains(withheld, name) {
		return false
	}
	return c.Inherit == nil || slices.ContainsFunc(c.Inherit, func(pattern string) bool {
		prefix, any := strings.CutSuffix(pattern, "*")
		return name == pattern || any && strings.HasPrefix(name, prefix)
	})
}

// environ returns the environment of a command: what it inherits, PWD if it has a Dir, Env
// and the LTS_ variables.
func (r *runner) environ(v *template.Values, t *task.Task) ([]string, error) {
	all := (&exec.Cmd{Dir: r.Dir}).Environ() // with PWD set for Dir
	env := slices.DeleteFunc(all, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !r.inherits(name) && (name != "PWD" || r.Dir == "")
	})
	for _, x := range r.env {
		value, err := x.value.Env(v)
		if err != nil {
			return nil, err
		}
		env = append(env, x.name+"="+value)
	}
	return append(env,
		"LTS_TASK_ID="+t.ID,
		"LTS_KIND="+t.Kind,
		"LTS_QUEUE="+t.Queue,
		"LTS_ATTEMPT="+strconv.FormatInt(t.Attempt, 10),
		"LTS_FENCE="+strconv.FormatInt(t.Fence, 10),
		"LTS_POOL="+r.Pool,
	), nil
}
