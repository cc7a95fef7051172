package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/executor/docker"
	"github.com/ltsworker/ltsworker/task"
)

// Docker is the docker section of a handler.
type Docker struct {
	docker.Config
	password source
}

// dockerFields are the keys of a handler's docker section.
func dockerFields(r *yamlReader, d *Docker) []field {
	return []field{
		{"image", r.text(&d.Image)},
		{"command", r.texts(&d.Command, `["/cut.sh", "--fast"]`)},
		{"entrypoint", r.texts(&d.Entrypoint, `["/bin/sh", "-c"]`)},
		{"env", func(n *yaml.Node, at string) {
			r.each(n, at, func(name, at string, k, v *yaml.Node) {
				var value string
				r.text(&value)(v, at)
				why := badVariable(name, value)
				if name == "LTS_PAYLOAD_FILE" {
					why = "is set by the replica for every container: use another name"
				}
				if why != "" {
					r.add(k, at, "%s", why)
				}
				d.Env = append(d.Env, name+"="+value)
			})
		}},
		{"dir", r.text(&d.Dir)},
		{"user", r.text(&d.User)},
		{"memory", r.bytes(&d.Memory)},
		{"cpus", r.decimal(&d.CPUs)},
		{"mounts", func(n *yaml.Node, at string) {
			var texts []string
			r.texts(&texts, "[/srv/videos:/in:ro, cache:/cache]")(n, at)
			for i, text := range texts {
				key := at + "[" + strconv.Itoa(i) + "]"
				r.lines[key] = n.Content[i].Line
				m, err := parseMount(text)
				if err != nil {
					r.add(n.Content[i], key, "%v", err)
				}
				d.Mounts = append(d.Mounts, m) // also a bad one, so that the indexes agree
			}
		}},
		{"network", r.text(&d.Network)},
		{"pull", r.text((*string)(&d.Pull))},
		{"login", func(n *yaml.Node, at string) {
			if n.Kind != yaml.MappingNode {
				r.add(n, at, "must be a mapping such as {registry: registry.example, user: worker, password: {env: REGISTRY_PASSWORD}}, not %s", describe(n))
				return
			}
			r.section(n, at, field{"registry", r.text(&d.Login.Registry)}, field{"user", r.text(&d.Login.User)},
				field{"password", r.source(&d.password, "{env: REGISTRY_PASSWORD} or {file: /run/secrets/registry}")})
		}},
		{"keep", r.duration(&d.Keep, false)},
		{"interval", r.duration(&d.Interval, false)},
		{"host", r.text(&d.Host)},
	}
}

// parseMount reads SOURCE:TARGET or SOURCE:TARGET:ro.
func parseMount(text string) (docker.Mount, error) {
	part := strings.Split(text, ":")
	if len(part) == 3 && part[2] == "ro" || len(part) == 2 {
		return docker.Mount{Source: part[0], Target: part[1], ReadOnly: len(part) == 3}, nil
	}
	return docker.Mount{}, fmt.Errorf("must be SOURCE:TARGET or SOURCE:TARGET:ro, such as /srv/videos:/in:ro, not %q", text)
}

// readDocker reads the docker section of a handler.
func (c *Config) readDocker(r *yamlReader, kind string) func(n *yaml.Node, at string) {
	return func(n *yaml.Node, at string) {
		var d Docker
		if follow(n).Kind != yaml.MappingNode {
			r.add(n, at, "must be a mapping such as {image: ffmpeg:7, command: [/cut.sh]}, not %s", describe(n))
		} else {
			r.section(n, at, dockerFields(r, &d)...)
		}
		c.Docker[kind] = d
	}
}

// onlyForCommands are the keys of a handler that concern a command only.
var onlyForCommands = []string{"command", "dir", "env", "inherit", "limits", "umask"}

// refuseBoth adds a problem for each key that belongs to a command if the handler also has
// a section for an executor: docker or remote.
func refuseBoth(r *yamlReader, at, section string) {
	for _, key := range onlyForCommands {
		full := joinKey(at, key)
		if line, given := r.lines[full]; given && !r.refused(full) {
			msg := "is for a command on this machine: remove it, or remove " + section
			if section == "docker" && slices.Contains([]string{"command", "dir", "env"}, key) {
				msg = "is for a command on this machine: move it into docker, or remove docker"
			}
			r.problems = append(r.problems, problem{line: line, key: full, msg: msg})
		}
	}
}

// dockerHandler makes the handler of a kind that has a docker section. base is the directory
// of the file.
func (c *Config) dockerHandler(poolName, base, kind string, log *slog.Logger) task.Handler {
	section := joinKey(joinKey("handlers", kind), "docker")
	if slices.ContainsFunc(c.problems, func(p problem) bool { return p.key == section }) {
		return nil // it is no section
	}
	d := c.Docker[kind]
	d.Pool, d.MaxLog, d.Logger = poolName, cmp.Or(d.MaxLog, c.Pool.MaxLog), log
	if grace := c.Pool.StopGrace; grace > 0 {
		// The engine needs time to kill a container and to answer, within the stop grace.
		d.Grace = grace*8/10 - docker.StopSlack
		if d.Grace < time.Second {
			if !c.Refused("stop_grace") {
				c.Refuse("stop_grace", fmt.Sprintf("must be at least 5s for the containers of %s, not %v", kind, grace))
			}
			d.Grace = time.Second
		}
	}
	d.Login.Password = c.secret(d.password, base, joinKey(section, "login.password"))
	h, err := docker.New(d.Config)
	c.refuseFields(err, func(field string) string {
		if field == "max_log" {
			return joinKey(joinKey("handlers", kind), field)
		}
		name, rest, nested := strings.Cut(field, ".")
		if nested { // a variable
			return joinKey(joinKey(section, name), rest)
		}
		return joinKey(section, name)
	})
	return h
}

// decimal reads a number other than 0, such as 0.5.
func (r *yamlReader) decimal(to *float64) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		switch v, err := strconv.ParseFloat(n.Value, 64); {
		case n.Kind != yaml.ScalarNode, err != nil, math.IsNaN(v), v < 0, v > 1e6:
			r.add(n, key, "must be a number such as 2 or 0.5, not %s", describe(n))
		case v == 0:
			r.refuseZero(n, key)
		default:
			*to = v
		}
	}
}
