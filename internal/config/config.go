// Package config reads the config file of a replica. It reports all problems of the file
// at once, each with its line, key and what to write instead. It also reads durations as
// the file and the flags have them.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ltsworker/ltsworker/admission"
	"github.com/ltsworker/ltsworker/executor/command"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// maxConfig is the greatest size of a config file in bytes.
const maxConfig = 1 << 20

// Config is what a config file holds, and its problems: see Err.
type Config struct {
	PoolName      string
	RedisURL      string // "" for none
	HealthAddress string // of the health endpoint; "" for none
	// Metrics are served by the health endpoint; nil for none.
	Metrics *metrics.Options
	// Console is set if the file has a section for the console, which the binary reads.
	Console bool
	Traces  *Traces // of the binary; nil if the file does not turn them on
	// CallbackAddress is where reports from outside arrive over HTTP; "" for nowhere.
	CallbackAddress string
	Pool            pool.Config
	Handlers        map[string]command.Config // by kind
	Remote          map[string]Remote         // by kind, of the handlers with a remote section
	Exports         map[string]Export         // by kind; see OpenExports
	Admission       *admission.Load           // nil for none
	Docker          map[string]Docker         // by kind, of the handlers that have a docker section
	// Triggers are the triggers of the file, TriggerSet the name under which they are kept.
	Triggers   []pool.Trigger
	TriggerSet string
	// Alerts are the alert rules of the file; nil for none. See OpenAlerts.
	Alerts  *Alerts
	Exposed bool // the file holds a password and others than its owner may read it

	file      string
	lines     map[string]int // of the keys; see keyGap
	problems  []problem
	calendars map[string]string // files by name
	secrets   []string          // variables that have secrets

	onlyAlerts bool // the file is read only for its alerts
}

// Traces is how spans are exported.
type Traces struct {
	Errors bool // the spans have the texts of errors
}

// Read reads a config file. The error is that of opening and reading it. Problems of the
// content are in Err. The Config then holds the parts that are valid.
func Read(file string) (*Config, error) { return read(file, false) }

func read(file string, onlyAlerts bool) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open the config file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	c := parseFor(file, data, onlyAlerts)
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // Windows has no such modes
		c.Exposed = redisurl.HoldsPassword(c.RedisURL)
	}
	return c, nil
}

// parse reads the content of a config file. It checks nothing outside of it: Commands
// looks for the programs, and pool.New checks numbers and durations.
func parse(file string, data []byte) *Config { return parseFor(file, data, false) }

// parseFor is parse for a file that may have no queues and handlers if only its alerts are used.
func parseFor(file string, data []byte, onlyAlerts bool) *Config {
	c := &Config{
		onlyAlerts: onlyAlerts,
		file:       file, lines: map[string]int{}, Handlers: map[string]command.Config{}, Docker: map[string]Docker{},
		Remote: map[string]Remote{}, TriggerSet: DefaultTriggerSet, calendars: map[string]string{},
	}
	c.Pool.Queues = map[string]pool.Queue{}
	c.Pool.Policies = map[string]pool.Policy{}
	if len(data) > maxConfig {
		c.add(problem{msg: fmt.Sprintf("is over %d bytes", maxConfig)})
		return c
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		c.add(problem{msg: "is empty: it needs queues and handlers"})
		return c
	} else if err != nil {
		c.add(syntaxProblem(err, data))
		return c
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		c.add(problem{msg: "holds more than one YAML document"})
	}
	r := &yamlReader{lines: c.lines}
	c.read(r, doc.Content[0])
	c.add(r.problems...)
	c.secrets = r.secrets
	return c
}

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?line (\d+)(?:, column \d+)?: `)

// tabIndent matches a line that is indented with a tab.
var tabIndent = regexp.MustCompile(`^ *\t`)

func syntaxProblem(err error, data []byte) problem {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	p := problem{msg: "is not valid YAML: " + msg}
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		p.line, _ = strconv.Atoi(m[1])
		p.msg = "is not valid YAML: " + msg[len(m[0]):]
	}
	if lines := bytes.Split(data, []byte("\n")); p.line > 0 && p.line <= len(lines) && tabIndent.Match(lines[p.line-1]) {
		p.msg = "is not valid YAML: the line is indented with a tab, which YAML does not allow: use spaces"
	}
	return p
}

func (c *Config) read(r *yamlReader, root *yaml.Node) {
	p := &c.Pool
	r.section(root, "",
		field{"pool", r.name(&c.PoolName)},
		field{"redis", r.text(&c.RedisURL)},
		field{"health", r.address(&c.HealthAddress)},
		field{"metrics", func(n *yaml.Node, at string) {
			c.Metrics = &metrics.Options{}
			if n.ShortTag() == "!!null" {
				return // "metrics:" is the same as "metrics: {}"
			}
			pool := true
			r.section(n, at,
				field{"pool", r.flag(&pool)},
				field{"max_queues", r.number(&c.Metrics.MaxQueues)},
				field{"max_kinds", r.number(&c.Metrics.MaxKinds)})
			c.Metrics.WithoutPool = !pool
		}},
		field{"traces", func(n *yaml.Node, at string) {
			c.Traces = &Traces{}
			if n.ShortTag() != "!!null" { // "traces:" is the same as "traces: {}"
				r.section(n, at, field{"errors", r.flag(&c.Traces.Errors)})
			}
		}},
		field{"console", func(n *yaml.Node, at string) {
			if c.Console = true; follow(n).Kind != yaml.MappingNode && n.ShortTag() != "!!null" {
				r.add(n, at, "must be a mapping such as {listen: 127.0.0.1:8380}, not %s", describe(n))
			}
		}},
		field{"callbacks", r.address(&c.CallbackAddress)},
		field{"lease", r.duration(&p.Lease, false)},
		field{"drain_timeout", r.duration(&p.DrainTimeout, false)},
		field{"stop_grace", r.duration(&p.StopGrace, false)},
		field{"max_stuck", r.number(&p.MaxStuck)},
		field{"max_log", r.logSize(&p.MaxLog)},
		field{"labels", r.labels(&p.Labels)},
		field{"exclusive", r.flag(&p.Exclusive)},
		field{"limit", r.limit(&p.Limit)},
		field{"admission", func(n *yaml.Node, at string) {
			c.Admission = &admission.Load{}
			r.section(n, at,
				field{"max_cpu", r.percent(&c.Admission.MaxCPU, 1, 99)},
				field{"min_free_memory", r.size(&c.Admission.MinFreeMemory)})
			if !r.refused(at) && c.Admission.MaxCPU == 0 && c.Admission.MinFreeMemory == 0 {
				r.add(n, at, "must set a bound, such as {max_cpu: 90%%, min_free_memory: 512MiB}")
			}
		}},
		field{"queues", func(n *yaml.Node, at string) { r.each(n, at, c.readQueue(r)) }},
		field{"slots", func(n *yaml.Node, at string) {
			p.Slots = map[string]pool.Slots{}
			r.each(n, at, func(name, at string, _, v *yaml.Node) {
				var s pool.Slots
				r.section(v, at, field{"workers", r.number(&s.Workers)}, field{"strict", r.flag(&s.Strict)})
				p.Slots[name] = s
			})
		}},
		field{"groups", func(n *yaml.Node, at string) {
			r.section(n, at,
				field{"default_limit", r.limit(&p.Groups.DefaultLimit)},
				field{"limits", func(n *yaml.Node, at string) { r.each(n, at, c.readGroup(r)) }},
				field{"default_rate", r.rate(&p.Groups.DefaultRate)},
				field{"rates", func(n *yaml.Node, at string) { r.each(n, at, c.readGroupRate(r)) }})
		}},
		field{"events", func(n *yaml.Node, at string) {
			r.section(n, at,
				field{"max", r.number(&p.MaxEvents)},
				field{"age", r.duration(&p.EventAge, false)})
		}},
		field{"archive", func(n *yaml.Node, at string) {
			r.section(n, at, field{"wait", r.archiveWait(&p.ArchiveWait)})
		}},
		field{"calendars", func(n *yaml.Node, at string) {
			r.each(n, at, func(name, at string, k, v *yaml.Node) {
				var path string
				r.text(&path)(v, at)
				c.calendars[name] = path
			})
		}},
		field{"triggers", func(n *yaml.Node, at string) { r.each(n, at, c.readTrigger(r)) }},
		field{"alerts", c.readAlerts(r)},
		field{"trigger_set", r.name(&c.TriggerSet)},
		field{"handlers", func(n *yaml.Node, at string) { r.each(n, at, c.readHandler(r)) }},
	)
	if c.onlyAlerts {
		return
	}
	// A section that cannot be read has been reported.
	if len(c.served()) == 0 && !r.refused("queues") && !r.refused("handlers") {
		msg := "must name at least one queue, such as queues: {default: {workers: 4}}"
		if len(p.Queues) > 0 || len(p.Handlers) > 0 {
			msg = "must name a queue that is served: the others belong to disabled handlers"
		}
		r.problems = append(r.problems, problem{line: c.lines["queues"], key: "queues", msg: msg})
	}
	if len(c.Handlers)+len(c.Docker)+len(c.Remote) == 0 && !r.refused("handlers") {
		r.problems = append(r.problems, problem{line: c.lines["handlers"], key: "handlers", msg: "must name at least one kind of task, such as handlers: {email.send: {command: [./send.sh]}}"})
	}
}

// served returns the queues that the replica serves: those of the file and the own queues of
// handlers that are not disabled.
func (c *Config) served() map[string]pool.Queue {
	return worker.Config{Queues: c.Pool.Queues, Handlers: c.Pool.Handlers}.Served()
}

func (c *Config) readQueue(r *yamlReader) func(name, at string, k, v *yaml.Node) {
	return func(name, at string, k, v *yaml.Node) {
		var q pool.Queue
		if err := task.CheckName(name); err != nil {
			r.add(k, at, "%v", err)
			return
		}
		// A queue without settings is written "default:" as well as "default: {}".
		if v.ShortTag() != "!!null" {
			r.section(v, at,
				field{"workers", r.number(&q.Workers)},
				field{"limit", r.limit(&q.Limit)},
				field{"max_len", r.limit(&q.MaxLen)},
				field{"slots", r.text(&q.Slots)},
				field{"weight", r.number(&q.Weight)},
				field{"rate", r.rate(&q.Rate)},
				field{"aging", r.aging(&q.Aging)})
		}
		c.Pool.Queues[name] = q
	}
}

func (c *Config) readGroup(r *yamlReader) func(name, at string, k, v *yaml.Node) {
	return func(name, at string, k, v *yaml.Node) {
		if err := task.CheckName(name); err != nil {
			r.add(k, at, "%v", err)
			return
		}
		n := 0
		r.limit(&n)(v, at)
		if c.Pool.Groups.Limits == nil {
			c.Pool.Groups.Limits = map[string]int{}
		}
		c.Pool.Groups.Limits[name] = n
	}
}

func (c *Config) readGroupRate(r *yamlReader) func(name, at string, k, v *yaml.Node) {
	return func(name, at string, k, v *yaml.Node) {
		if err := task.CheckName(name); err != nil {
			r.add(k, at, "%v", err)
			return
		}
		var rate pool.Rate
		r.rate(&rate)(v, at)
		if c.Pool.Groups.Rates == nil {
			c.Pool.Groups.Rates = map[string]pool.Rate{}
		}
		c.Pool.Groups.Rates[name] = rate
	}
}

// rate reads a rate.
func (r *yamlReader) rate(to *pool.Rate) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		rate, err := pool.ParseRate(n.Value)
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			err = fmt.Errorf(`must be text such as "100/s burst 10", not %s`, describe(n))
		}
		if err != nil {
			r.add(n, at, "%v", err)
			return
		}
		*to = rate
	}
}

// aging reads the aging of a queue: a duration, or none.
func (r *yamlReader) aging(to *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		if n.Value == "none" {
			*to = pool.NoAging
			return
		}
		r.duration(to, false)(n, at)
	}
}

// backoff reads a backoff.
func (r *yamlReader) backoff(to *pool.Backoff) func(*yaml.Node, string) {
	return func(n *yaml.Node, at string) {
		b, err := task.ParseBackoff(n.Value)
		if err == nil && n.Kind != yaml.ScalarNode || n.Value == "" {
			err = fmt.Errorf(`must be text such as "exponential:1000:600000", not %s`, describe(n))
		}
		if err != nil {
			r.add(n, at, "%v", err)
		}
		*to = b
	}
}

func (c *Config) readHandler(r *yamlReader) func(kind, at string, k, v *yaml.Node) {
	return func(kind, at string, k, v *yaml.Node) {
		var (
			policy  pool.Policy
			handler pool.HandlerConfig
			cmd     command.Config
		)
		if err := task.CheckName(kind); err != nil {
			r.add(k, at, "%v", err)
			return
		}
		if follow(v).Kind != yaml.MappingNode {
			r.add(v, at, `must be a mapping such as {command: [./cut.sh]}, not %s`, describe(v))
			return
		}
		r.section(v, at, append(commandFields(r, &cmd),
			field{"docker", c.readDocker(r, kind)},
			field{"remote", c.readRemote(r, kind)},
			field{"concurrency", r.number(&handler.Concurrency)},
			field{"disabled", r.flag(&handler.Disabled)},
			field{"timeout", r.duration(&policy.Timeout, true)},
			field{"soft_timeout", r.duration(&policy.SoftTimeout, false)},
			field{"progress_timeout", r.duration(&policy.ProgressTimeout, false)},
			field{"large_result", r.text((*string)(&policy.LargeResult))},
			field{"max_attempts", r.number(&policy.MaxAttempts)},
			field{"max_lost", r.number(&policy.MaxLost)},
			field{"in_place", r.number(&policy.InPlace)},
			field{"avoid_failed", r.flag(&policy.AvoidFailed)},
			field{"backoff", r.backoff(&policy.Backoff)},
			field{"export", c.readExport(r, kind)},
		)...)
		c.Pool.Policies[kind] = policy
		if handler != (pool.HandlerConfig{}) {
			if c.Pool.Handlers == nil {
				c.Pool.Handlers = map[string]pool.HandlerConfig{}
			}
			c.Pool.Handlers[kind] = handler
		}
		remoteSection, isRemote := c.Remote[kind]
		container, isContainer := c.Docker[kind]
		switch {
		case isRemote && isContainer:
			r.add(v, at, "must have either docker or remote: remove one of them")
		case isRemote:
			refuseBoth(r, at, "remote")
			remoteSection.maxLog = cmd.MaxLog
			c.Remote[kind] = remoteSection
		case isContainer:
			refuseBoth(r, at, "docker")
			container.MaxLog = cmd.MaxLog
			c.Docker[kind] = container
		default:
			c.Handlers[kind] = cmd
		}
	}
}
