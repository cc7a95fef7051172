package command

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// withheld are the variables that no command inherits: those by which systemd controls a
// service, because a command could send notifications in the name of the replica or use
// its sockets, the URL of Redis, which may hold a password, and a secret of the console.
var withheld = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LTS_REDIS", "LTS_OIDC_SECRET"}

// secret reports whether a command gets a variable only if Inherit has exactly this name: those of
// Config.Secrets, and the headers of OpenTelemetry, which have the token of a collector.
func (c *Config) secret(name string) bool {
	return slices.Contains(c.Secrets, name) || strings.HasPrefix(name, "OTEL_") && strings.HasSuffix(name, "HEADERS")
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
	if c.secret(name) {
		return slices.Contains(c.Inherit, name)
	}
	return c.Inherit == nil || slices.ContainsFunc(c.Inherit, func(pattern string) bool {
		prefix, any := strings.CutSuffix(pattern, "*")
		return name == pattern || any && strings.HasPrefix(name, prefix)
	})
}

// environ returns the environment of a command: what it inherits, PWD if it has a Dir, Env
// the LTS_ variables, and those of a trace.
func (r *runner) environ(ctx context.Context, v *template.Values, t *task.Task) ([]string, error) {
	all := (&exec.Cmd{Dir: r.Dir}).Environ() // with PWD set for Dir
	env := slices.DeleteFunc(all, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !r.inherits(name) && (name != "PWD" || r.Dir == "")
	})
	added, err := r.env.Fill(v)
	if err != nil {
		return nil, err
	}
	// Of two entries with a name the command gets the last one: Env replaces those of a trace.
	if trace := template.TraceEnv(ctx); len(trace) > 0 {
		// A TRACESTATE of the replica belongs to another TRACEPARENT.
		env = slices.DeleteFunc(env, func(e string) bool {
			return strings.HasPrefix(e, "TRACEPARENT=") || strings.HasPrefix(e, "TRACESTATE=")
		})
		env = append(env, trace...)
	}
	env = append(append(env, added...),
		"LTS_TASK_ID="+t.ID,
		"LTS_KIND="+t.Kind,
		"LTS_QUEUE="+t.Queue,
		"LTS_ATTEMPT="+strconv.FormatInt(t.Attempt, 10),
		"LTS_FENCE="+strconv.FormatInt(t.Fence, 10),
		"LTS_POOL="+r.Pool,
	)
	return append(env, template.ShardEnv(t)...), nil
}
