// Package command runs tasks as commands: programs in any language that need no
// knowledge of Redis or Go.
//
//	h, err := command.New(command.Config{Command: []string{"./cut.sh"}, Pool: "media"})
//	p.HandleKind("video.cut", h)
//
// A command gets the task's payload on its standard input, byte for byte, and
// LTS_TASK_ID, LTS_KIND, LTS_QUEUE, LTS_ATTEMPT, LTS_FENCE and LTS_POOL in its
// environment. LTS_ATTEMPT counts the starts of the task from 1. LTS_FENCE grows with
// every claim in the pool. A system that refuses a lower number than the last one
// excludes a command whose task was taken over. A part of a task becomes part of a
// command line only where the config has a template, see package template: a value fills
// one argument or the rest of one. No shell is involved unless the configured command is
// one. The standard output is the result. The end of the standard error is the attempt's log,
// also of a success, and can be read while the command runs. A line
//
//	::progress 0.4 message
//
// on the standard error sets the task's progress to {"done":0.4,"message":"message"} and
// is not part of the log. The number is from 0 to 1; the message may be missing.
//
// The exit status decides about the attempt:
//
//	0      the task has succeeded
//	65     the task has failed, without a retry (EX_DATAERR of sysexits.h)
//	75     the task is released and starts again after ReleaseDelay, without using
//	       an attempt (EX_TEMPFAIL)
//	other  the attempt has failed; also if a signal ends the command
//
// Each command has a process group of its own. When the attempt's context ends, the
// group gets SIGTERM, and SIGKILL after Config.Grace. If the lease is lost
// (task.ErrLeaseLost), or is lost during the grace period (Task.LeaseLost), the group
// gets SIGKILL at once: the lease lasts only another max(Lease/10, min(Lease/4, 1s)),
// and the command must have ended before the task starts elsewhere. A command ends when
// the started process exits. Processes that remain in its group are then killed. A
// stopped command ends when its group has no process any more. The started process gets
// the signals also after it has left the group, with the group that it leads then
// (timeout, setsid). Any other process that left the group delays nothing, even if it
// keeps the outputs open: what they hold when the command ends is read. (On a Unix other
// than Linux such a process delays the end of a stopped command until the grace has
// passed.)
//
// A command never outlives its replica, however the replica ends: a guard process leads
// the group and kills it when the replica is gone. The guard is this same program,
// started under another name and intercepted by the init function of this package,
// before main. Only a program that leaves the group on purpose (setsid, timeout, a
// daemon) escapes. On Linux the parent-death signal is a second safeguard. Systems that are not
// Unix have neither guard nor groups, see group_other.go.
package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// DefaultGrace leaves the replica, which gives a handler 10 s by default, two
	// seconds to see the end of a killed command.
	DefaultGrace = 8 * time.Second
	// DefaultMaxResult keeps stored results small by default.
	DefaultMaxResult = 64 << 10
	// ReleaseDelay is the delay of a task whose command exited with 75: one second.
	ReleaseDelay = task.ReleaseDelay

	minMaxResult = 128 // room for the mark of a cut result and a few words
)

// Config describes the command of one kind of task.
type Config struct {
	// Command is the program and its arguments. Required. A program with a path
	// separator is searched in Dir, any other in the PATH of this process. Arguments may
	// be templates, see template.ParseArgs. Other arguments are passed unchanged.
	Command []string
	// Dir is the working directory, also set as PWD. Default: that of this process.
	Dir string
	// Inherit are the names of the variables of this process that the command gets. A *
	// at the end of a name stands for any rest. An empty list inherits none, nil all. In
	// each case the command does not get LTS_REDIS, NOTIFY_SOCKET and the WATCHDOG_ and
	// LISTEN_ variables of systemd. Secrets and the OTEL_ variables that end with HEADERS, it gets
	// only if their whole names are listed.
	Inherit []string
	// Secrets are names of variables of this process that have secrets.
	Secrets []string
	// Env is added, as "KEY=value", to the inherited variables. A value may be a
	// template, except those of PATH and other variables that name places of code. The
	// LTS_ variables above override it.
	Env []string
	// Limits are resource limits of the command. Default: those of this process.
	Limits Limits
	// Umask is the file mode creation mask as three octal digits, such as "027". Default:
	// that of this process.
	Umask string
	// Pool is the value of LTS_POOL. Required.
	Pool string
	// Grace is how long the command may take to end after SIGTERM. A lost lease ends
	// the grace period at once. Grace should be shorter than the replica's StopGrace.
	// Otherwise the replica gives the attempt up, which kills the command, and drops
	// its outcome. Must not be negative. Default: DefaultGrace.
	Grace time.Duration
	// MaxResult is the size of the result in bytes, from 128 to task.MaxResult. Longer
	// output is read to its end, cut before a rune that does not fit, and marked with a
	// last line "[cut: N of M bytes]". The mark counts towards MaxResult. With
	// task.FailLargeResult in the policy of the kind the task fails instead. With
	// task.ExportLargeResult the size is task.MaxStagedResult, and the task fails with a longer
	// one. Default: DefaultMaxResult.
	MaxResult int
	// MaxLog is how many bytes of the end of the standard error are kept as the
	// attempt's log, if the replica's own limit is not lower. At most task.MaxLogLen.
	// With task.NoLog nothing of it is kept: neither a log nor its last line in an
	// error. Lines about progress still count. Default: the replica's limit.
	MaxLog int
}

// New returns a handler that runs the command once per attempt, any number at once. New
// starts nothing. The error joins a *task.FieldError for everything that is wrong with
// cfg, including a program that is missing or cannot be run.
func New(cfg Config) (task.Handler, error) {
	r, err := newRunner(cfg)
	if err != nil {
		return nil, err
	}
	return r.handle, nil
}

func newRunner(cfg Config) (*runner, error) {
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.MaxResult == 0 {
		cfg.MaxResult = DefaultMaxResult
	}
	// The caller may change its slices.
	cfg.Command, cfg.Inherit, cfg.Env = slices.Clone(cfg.Command), slices.Clone(cfg.Inherit), slices.Clone(cfg.Env)
	cfg.Secrets = slices.Clone(cfg.Secrets)
	r := &runner{Config: cfg}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// check returns everything that is wrong with the config, and sets what follows from it.
func (r *runner) check() error {
	c := &r.Config
	var errs []error
	add := func(field, format string, args ...any) {
		errs = append(errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
	}

	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		add("dir", "has no absolute path: %v", err)
	} else if info, err := os.Stat(dir); err != nil {
		add("dir", "%q cannot be used: %v", c.Dir, reason(err))
	} else if !info.IsDir() {
		add("dir", "%q is not a directory", c.Dir)
	}

	if len(c.Command) == 0 || c.Command[0] == "" {
		add("command", `is missing: give the program and its arguments, such as ["./cut.sh", "--fast"]`)
	} else if r.path, err = find(c.Command[0], dir); err != nil {
		add("command", "%v", err)
	}
	for i, arg := range c.Command {
		if strings.ContainsRune(arg, 0) {
			add("command", "must not contain a NUL byte: argument %d does", i)
		}
	}
	if r.args, err = template.ParseArgs("command", c.Command); err != nil {
		errs = append(errs, err)
	} else if ext := strings.ToLower(filepath.Ext(r.path)); !r.args.Constant() && (ext == ".bat" || ext == ".cmd") {
		add("command", "must not have templates: the system would evaluate the arguments of the batch file %q as code", c.Command[0])
	}
	var wrong []error
	r.env, wrong = template.ParseEnv("env", c.Env)
	errs = slices.Concat(errs, wrong, checkInherit(c.Inherit), c.Limits.check())
	umask, err := parseUmask(c.Umask)
	if err != nil {
		add("umask", "%v", err)
	}
	if err := task.CheckName(c.Pool); err != nil {
		add("pool", "%v", err)
	}
	if c.Grace < 0 {
		add("grace", "must not be negative, but is %v", c.Grace)
	}
	if c.MaxResult < minMaxResult || c.MaxResult > task.MaxResult {
		add("max_result", "must be from %d to %d bytes, not %d", minMaxResult, task.MaxResult, c.MaxResult)
	}
	if c.MaxLog < task.NoLog || c.MaxLog > task.MaxLogLen {
		add("max_log", "must be from 1 to %d bytes, not %d", task.MaxLogLen, c.MaxLog)
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	r.settings, err = limiterSettings(umask, c.Limits.list())
	return err
}

// find returns the absolute path of the program, so that a later change of directory or
// PATH has no effect.
func find(name, dir string) (string, error) {
	where, asked := "in PATH", name
	if filepath.Base(name) != name {
		where = "in " + dir
		if filepath.IsAbs(name) {
			where = "there"
		} else {
			name = filepath.Join(dir, name)
		}
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return filepath.Abs(path)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%q is not executable: set its mode, for example with chmod +x", asked)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%q was not found %s", asked, where)
	case errors.Is(err, exec.ErrDot):
		return "", fmt.Errorf("%q is in the current directory: write %q", asked, "./"+asked)
	default:
		return "", fmt.Errorf("%q cannot be run: %v", asked, reason(err))
	}
}

// reason returns err without the operation and path that the message around it
// contains.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var execErr *exec.Error
	if errors.As(err, &execErr) {
		return execErr.Err
	}
	return err
}
