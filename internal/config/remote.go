package config

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/executor/remote"
	"github.com/ltsworker/ltsworker/task"
)

// Remote is the remote section of a handler.
type Remote struct {
	remote.Config
	secret  source
	headers map[string]source // those whose values are not in the file
	maxLog  int
}

// source is where a secret is: in a variable of the environment or in a file.
type source struct {
	env, file string
	prefix    string // in front of the secret
}

// remoteFields are the keys of a remote section.
func remoteFields(r *yamlReader, c *Remote) []field {
	return []field{
		{"url", r.text(&c.URL)},
		{"mode", r.text((*string)(&c.Mode))},
		{"jobs_url", r.text(&c.JobsURL)},
		{"callback", r.text(&c.Callback)},
		{"within", r.duration(&c.Within, false)},
		{"secret", r.source(&c.secret, "{env: CUTTER_SECRET} or {file: /run/secrets/cutter}")},
		{"headers", func(n *yaml.Node, at string) {
			c.Headers, c.headers = map[string]string{}, map[string]source{}
			r.each(n, at, func(name, at string, k, v *yaml.Node) {
				if v.Kind == yaml.MappingNode && (len(v.Content) == 0 || v.Content[0].Kind == yaml.ScalarNode) {
					var s source
					r.source(&s, "{env: CUTTER_TOKEN}", field{"prefix", r.text(&s.prefix)})(v, at)
					c.headers[name] = s
					return
				}
				var text string
				r.text(&text)(v, at)
				c.Headers[name] = text
			})
		}},
		{"body", func(n *yaml.Node, at string) { c.Body = (&jsonReader{r, at, maxBodyValues}).value(n, at) }},
		{"idempotent", r.flag(&c.Idempotent)},
		{"timeout", r.duration(&c.Timeout, false)},
		{"retry_within", r.duration(&c.RetryWithin, false)},
		{"interval", r.duration(&c.Interval, false)},
		{"networks", r.texts(&c.Networks, "[10.1.0.0/16]")},
		{"redirects", r.number(&c.Redirects)},
		{"max_result", func(n *yaml.Node, at string) {
			var size int64
			if r.bytes(&size)(n, at); size > 0 {
				c.MaxResult = int(min(size, task.MaxResult+1))
			}
		}},
	}
}

// secretVariables returns the variables that the file names as places of secrets.
func (c *Config) secretVariables() []string {
	all := slices.Clone(c.secrets)
	for _, e := range c.Exports {
		if e.DSNEnv != "" {
			all = append(all, e.DSNEnv)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// source reads where a secret is. The value may be the secret itself and is not shown.
func (r *yamlReader) source(to *source, example string, more ...field) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		if n.Kind != yaml.MappingNode {
			r.add(n, at, "must name a variable or a file that has the secret, as in %s: secrets do not belong into this file", example)
			return
		}
		before := len(r.problems)
		r.section(n, at, append(more, field{"env", r.text(&to.env)}, field{"file", r.text(&to.file)})...)
		if to.env != "" {
			r.secrets = append(r.secrets, to.env)
		}
		if (to.env == "") == (to.file == "") && len(r.problems) == before {
			r.add(n, at, "must have either env or file, as in %s", example)
		}
	}
}

// readRemote reads the remote section of a handler.
func (c *Config) readRemote(r *yamlReader, kind string) func(n *yaml.Node, at string) {
	return func(n *yaml.Node, at string) {
		var section Remote
		if n.Kind == yaml.MappingNode {
			r.section(n, at, remoteFields(r, &section)...)
		} else {
			r.add(n, at, "must be a mapping such as {url: https://cutter.example/cut}, not %s", describe(n))
		}
		c.Remote[kind] = section
	}
}

// remoteHandler makes the handler of a kind with a remote section. base is the directory of
// the file.
func (c *Config) remoteHandler(poolName, base, kind string, log *slog.Logger) task.Handler {
	section := joinKey(joinKey("handlers", kind), "remote")
	if slices.ContainsFunc(c.problems, func(p problem) bool { return p.key == section }) {
		return nil // it is no section
	}
	s := c.Remote[kind]
	s.Pool, s.Logger = poolName, log
	if grace := c.Pool.StopGrace; grace > 0 {
		s.StopWithin = grace * 8 / 10
	}
	if s.secret != (source{}) {
		s.Secrets = strings.Fields(c.secret(s.secret, base, joinKey(section, "secret")))
	}
	s.SecretHeaders = map[string]string{}
	for name, from := range s.headers {
		s.SecretHeaders[name] = from.prefix + c.secret(from, base, joinKey(joinKey(section, "headers"), name))
	}
	if s.Mode == remote.Callback && s.Within == 0 && c.Pool.Policies[kind].Timeout == task.Forever {
		c.Refuse(section, "needs within: without it and with timeout: none, nothing ends a job that is never reported")
	}
	h, err := remote.New(s.Config)
	c.refuseFields(err, func(field string) string {
		name, rest, nested := strings.Cut(field, ".")
		if nested { // a header or a field of the body
			return joinKey(joinKey(section, name), rest)
		}
		return joinKey(section, name)
	})
	if err != nil || s.maxLog == 0 {
		return h
	}
	return func(ctx context.Context, t *task.Task) ([]byte, error) {
		t.LimitLog(s.maxLog)
		return h(ctx, t)
	}
}

// secret reads a secret. It adds a problem with the key if there is none.
func (c *Config) secret(from source, base, key string) string {
	refuse := func(format string, args ...string) string {
		if !c.Refused(key) {
			for _, a := range args {
				format = strings.Replace(format, "%s", strconv.Quote(a), 1)
			}
			c.Refuse(key, format)
		}
		return ""
	}
	switch {
	case from.env != "":
		value := strings.TrimSpace(os.Getenv(from.env))
		if value == "" {
			return refuse("names the variable %s, which is not set: set it in the environment of the process", from.env)
		}
		return value
	case from.file == "":
		return "" // reported before
	}
	path := from.file
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}
	b, err := os.ReadFile(path)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return refuse("names the file %s, which cannot be read: "+pathErr.Err.Error(), path)
	}
	value := strings.TrimSpace(string(b))
	if err != nil || value == "" {
		return refuse("names the file %s, which is empty", path)
	}
	return value
}
