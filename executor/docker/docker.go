// Package docker runs tasks as containers of a Docker engine. A container is not a child
// of the replica: it goes on when the replica drains, dies or loses its lease, and the
// next owner of the task waits for the same container, see package async.
//
//	h, err := docker.New(docker.Config{Image: "ffmpeg:7", Command: []string{"/cut.sh"}, Pool: "media"})
//	p.HandleKind("video.cut", h)
//
// A container gets the task's payload as the file /lts/payload, whose name is in
// LTS_PAYLOAD_FILE, and LTS_TASK_ID, LTS_KIND, LTS_QUEUE, LTS_ATTEMPT, LTS_FENCE and
// LTS_POOL in its environment. The standard output is the result, the end of the standard
// error is the attempt's log, and the exit status decides about the attempt as it does for
// commands: 0 succeeds, 65 fails without a retry, 75 releases the task, any other fails
// the attempt. The error says so if the kernel killed a process because of the memory
// limit.
//
// A stop request or a timeout sends SIGTERM to the container, and SIGKILL after
// Config.Grace.
//
// No container is privileged, gains privileges, or has a network unless Config.Network
// names one. Image, mounts, network and user come from the Config and never from a task,
// unless Config.ForTask takes them from there.
//
// All replicas of a queue should use one engine. A replica that gets the task of a
// container of another engine releases it.
//
// # Which containers exist
//
// A container has the labels Label and those that begin with it. Its name is that of the
// job in package async, so there is at most one for an attempt. A process removes a
// container Config.Keep after it read the output. A new attempt removes the containers of
// earlier attempts of its task, and kills them if they run. Every hour a process also
// removes the containers of its pool that ended more than a day ago. The engine never
// removes a container by itself, because that loses the exit status.
package docker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// The defaults of Config.
const (
	DefaultGrace     = 5 * time.Second
	DefaultMaxResult = 64 << 10
	DefaultKeep      = time.Minute

	// StopSlack is how long the engine may take to kill a container after the grace.
	StopSlack    = 3 * time.Second
	minMaxResult = 128
)

// Pull says when an image is pulled.
type Pull string

// The values of Config.Pull.
const (
	PullMissing Pull = "missing" // if the engine does not have it
	PullAlways  Pull = "always"  // before each container
	PullNever   Pull = "never"
)

// Mount makes a directory or a volume of the engine's host visible in the container.
type Mount struct {
	Source   string // an absolute path on the host of the engine, or the name of a volume
	Target   string // an absolute path in the container
	ReadOnly bool
}

// Login has the credentials for a registry.
type Login struct {
	Registry       string // its host, with the port if there is one; docker.io is that of names without a host
	User, Password string
}

// Config describes the containers of one kind of task.
type Config struct {
	// Pool is the name of the pool. Required.
	Pool string
	// Host is the address of the engine, such as unix:///run/docker.sock. Default: the
	// variables DOCKER_HOST, DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, else the socket of the
	// system.
	Host string
	// Image is the image of the containers, such as ffmpeg:7: a name, or an id. Required
	// without ForTask.
	Image string
	// Command replaces the command of the image. Its arguments may be templates, see
	// template.ParseArgs. Its first one must be constant unless there is an Entrypoint.
	Command []string
	// Entrypoint replaces the entrypoint of the image. It must be constant.
	Entrypoint []string
	// Env is added to the environment of the image, as "KEY=value". The LTS_ variables
	// override it. The values may be templates, see template.ParseEnv.
	Env []string
	// Dir is the working directory in the container. Default: that of the image.
	Dir string
	// User is the user and group, as "uid:gid" or by name. Default: that of the image.
	User string
	// Memory is the limit in bytes, which includes swap, at least 6 MiB. Default: none.
	Memory int64
	// CPUs is how many processors the container may use, such as 0.5, at least 0.01. Default:
	// all.
	CPUs float64
	// Mounts are visible in the container. Default: none.
	Mounts []Mount
	// Network is the name of a network of the engine. Default: none, so the container has
	// no network.
	Network string
	// Pull says when the image is pulled. Default: PullMissing.
	Pull Pull
	// Login is used for pulls from its registry only. Default: none.
	Login Login
	// Grace is the time from SIGTERM to SIGKILL, rounded up to seconds. Grace and StopSlack
	// together must be shorter than the replica's StopGrace. Default: DefaultGrace.
	Grace time.Duration
	// MaxResult is the size of the result in bytes, from 128 to task.MaxResult. A longer
	// output is cut and marked, or fails the task if its policy is task.FailLargeResult. With
	// task.ExportLargeResult the size is task.MaxStagedResult, and the task fails with a longer
	// output. Default: DefaultMaxResult.
	MaxResult int
	// MaxLog is how many bytes of the end of the standard error are kept. With task.NoLog
	// nothing of it is kept, and no error has its last line. Default: task.DefaultLogLen.
	MaxLog int
	// Keep is how long an ended container is kept after its output was read. It has to be
	// longer than Redis may be unreachable: until the outcome is reported, the next owner
	// reads it from the container. Default: DefaultKeep.
	Keep time.Duration
	// Interval is the time between two polls of the engine. The end of a container is also
	// noticed at once. Default: async.DefaultInterval.
	Interval time.Duration
	// ForTask, if it is not nil, changes Image, Entrypoint, Command, Env, Dir, User, Memory,
	// CPUs, Mounts and Network for one task before its container is created. Templates are
	// filled in already. c is checked afterwards, as New does it. An error fails the task as
	// task.BadPayload. Only programs that trust the payloads of tasks need it. It must be safe
	// for concurrent use.
	ForTask func(t *task.Task, c *Config) error
	// Logger gets outages of the engine and containers that could not be stopped. Default:
	// slog.Default.
	Logger *slog.Logger
}

// New returns a handler that runs a container per attempt. It does not call the engine, so
// the engine may be unreachable. The error joins a *task.FieldError for everything that is wrong
// with cfg.
func New(cfg Config) (task.Handler, error) {
	_, h, err := newHandler(cfg)
	return h, err
}

func newHandler(cfg Config) (*executor, task.Handler, error) {
	x, opts, err := newExecutor(cfg)
	if err != nil {
		return nil, nil, err
	}
	jobs, err := async.New(x, opts)
	if err != nil {
		return nil, nil, err
	}
	x.notify = jobs.Notify
	return x, jobs.Handle, nil
}

func newExecutor(cfg Config) (*executor, async.Options, error) {
	cfg.setDefaults()
	args, err := cfg.args()
	env, errs := template.ParseEnv("env", cfg.Env)
	errs = append(errs, cfg.check(), cfg.checkLogin(), err)
	engine, err := connect(cfg.Host)
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, async.Options{}, err
	}
	// The caller may change its slices.
	cfg.Command, cfg.Entrypoint, cfg.Mounts = slices.Clone(cfg.Command), slices.Clone(cfg.Entrypoint), slices.Clone(cfg.Mounts)
	return &executor{cfg: cfg, args: args, env: env, engine: engine, watched: map[string]*watched{}}, async.Options{
		Pool:         cfg.Pool,
		Interval:     cfg.Interval,
		StartTimeout: startTimeout,
		StartWithin:  startWithin,
		StopWithin:   cfg.Grace + StopSlack,
		Remote:       "the Docker engine",
		Logger:       cfg.Logger,
	}, nil
}

// args returns the entrypoint and the command as templates: together they are the program
// and its arguments.
func (c *Config) args() (template.Args, error) {
	var errs []error
	args := make([]string, 0, len(c.Entrypoint)+len(c.Command))
	for i, arg := range append(append(args, c.Entrypoint...), c.Command...) {
		if i < len(c.Entrypoint) && strings.Contains(arg, "{{") {
			errs = append(errs, &task.FieldError{Field: "entrypoint", Msg: "must not have a template: write it in command"})
			arg = "x"
		}
		args = append(args, arg)
	}
	parsed, err := template.ParseArgs("command", args)
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range all.Unwrap() {
			var i int
			if f, ok := err.(*task.FieldError); ok {
				if _, serr := fmt.Sscanf(f.Field, "command[%d]", &i); serr == nil {
					f.Field = fmt.Sprintf("command[%d]", max(0, i-len(c.Entrypoint)))
				}
			}
		}
	}
	return parsed, errors.Join(append(errs, err)...)
}

func (c *Config) setDefaults() {
	c.Pull = cmp.Or(c.Pull, PullMissing)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	c.MaxResult = cmp.Or(c.MaxResult, DefaultMaxResult)
	c.MaxLog = cmp.Or(c.MaxLog, task.DefaultLogLen)
	c.Keep = cmp.Or(c.Keep, DefaultKeep)
	c.Network = cmp.Or(c.Network, "none")
	c.Logger = cmp.Or(c.Logger, slog.Default())
}

// change changes c for a task, if it has ForTask.
func (c *Config) change(t *task.Task) error {
	if c.ForTask == nil {
		return nil
	}
	change := c.ForTask
	c.ForTask, c.Mounts = nil, slices.Clone(c.Mounts)
	if err := change(t, c); err != nil {
		return err
	}
	c.setDefaults()
	return c.check()
}

// check returns everything that is wrong with c, which has its defaults.
func (c *Config) check() error {
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}
	if err := task.CheckName(c.Pool); err != nil {
		add("pool", "%v", err)
	}
	if _, err := reference.ParseAnyReference(c.Image); err != nil && (c.Image != "" || c.ForTask == nil) {
		add("image", "must be the name of an image such as alpine:3.22, not %q", c.Image)
	}
	for _, list := range []struct {
		field string
		args  []string
	}{{"command", c.Command}, {"entrypoint", c.Entrypoint}} {
		for i, arg := range list.args {
			if strings.ContainsRune(arg, 0) {
				add(list.field, "must not contain a NUL byte: argument %d does", i)
			}
		}
	}
	if c.Dir != "" && !path.IsAbs(c.Dir) {
		add("dir", "must be an absolute path in the container, not %q", c.Dir)
	}
	for i, m := range c.Mounts {
		field := fmt.Sprintf("mounts[%d]", i)
		if m.Source == "" || strings.ContainsAny(m.Source, ":\x00") || !path.IsAbs(m.Source) && strings.Contains(m.Source, "/") {
			add(field, "must have an absolute path on the host or the name of a volume as its source, not %q", m.Source)
		}
		if !path.IsAbs(m.Target) || path.Clean(m.Target) == "/" {
			add(field, "must have an absolute path other than / as its target, not %q", m.Target)
		}
	}
	if c.Memory < 0 || c.Memory > 0 && c.Memory < 6<<20 {
		add("memory", "must be at least 6 MiB, not %d bytes", c.Memory)
	}
	if c.CPUs < 0 || c.CPUs > 0 && c.CPUs < 0.01 {
		add("cpus", "must be at least 0.01, not %v", c.CPUs)
	}
	if c.Network == "host" || strings.HasPrefix(c.Network, "container:") {
		add("network", "must be none or the name of a network, not %q: a container shares no network with others", c.Network)
	}
	if !slices.Contains([]Pull{PullMissing, PullAlways, PullNever}, c.Pull) {
		add("pull", "must be missing, always or never, not %q", c.Pull)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"grace", c.Grace}, {"keep", c.Keep}, {"interval", c.Interval}} {
		if d.value < 0 {
			add(d.field, "must be positive, not %v", d.value)
		}
	}
	if c.MaxResult < minMaxResult || c.MaxResult > task.MaxResult {
		add("max_result", "must be from %d to %d bytes, not %d", minMaxResult, task.MaxResult, c.MaxResult)
	}
	if c.MaxLog < task.NoLog || c.MaxLog > task.MaxLogLen {
		add("max_log", "must be from 1 to %d bytes, not %d", task.MaxLogLen, c.MaxLog)
	}
	return errors.Join(errs...)
}
