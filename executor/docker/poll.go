package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// executor implements async.Executor. Its references are the id of an engine, a slash and
// the id of a container.
type executor struct {
	cfg    Config
	args   template.Args // of the entrypoint and the command
	env    template.Env
	engine *client.Client
	notify func(ref string)

	mu       sync.Mutex
	engineID string              // "" if it is not known now
	watched  map[string]*watched // by the id of the container
	swept    time.Time           // when sweep began last; zero before the first task
}

// statusTimeout is how long the engine may take to answer about one container, so that
// one that does not answer delays the others little.
const statusTimeout = 5 * time.Second

// Poll implements async.Executor. One call lists the containers. Only those that have
// ended are inspected.
func (x *executor) Poll(ctx context.Context, jobs []async.Job) ([]async.Status, error) {
	engine, err := x.Location(ctx)
	if err != nil {
		return nil, err
	}
	ids := client.Filters{}
	for _, j := range jobs {
		_, id := parseRef(j.Ref)
		ids.Add("id", id)
	}
	list, err := x.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ids})
	if err != nil {
		x.forgetEngine()
		return nil, fmt.Errorf("list containers: %w", err)
	}
	states := map[string]container.ContainerState{}
	for _, c := range list.Items {
		states[c.ID] = c.State
	}
	x.forgetUnpolled()
	all := make([]async.Status, len(jobs))
	for i, j := range jobs {
		of, id := parseRef(j.Ref)
		switch state := states[id]; {
		case of != engine:
			all[i] = async.Status{State: async.Elsewhere, Err: otherEngine(of, engine)}
		case state == container.StateRunning || state == container.StatePaused || state == container.StateRestarting:
			all[i] = async.Status{State: async.Running, Log: x.watch(j).out.newLog()}
		default:
			all[i] = x.ended(ctx, id)
		}
	}
	return all, nil
}

// ended returns the status of a container that does not run any more.
func (x *executor) ended(ctx context.Context, id string) async.Status {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	got, err := x.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return x.removed(id)
	case err != nil:
		return async.Status{Err: fmt.Errorf("inspect: %w", err)}
	case got.Container.State == nil:
		return async.Status{Err: errors.New("inspect: the engine reports no state")}
	}
	s := got.Container.State
	switch s.Status {
	case container.StateExited, container.StateDead, container.StateRemoving:
	case container.StateCreated:
		return async.Status{State: async.Failed, Err: errors.New("the container was never started")}
	default:
		return async.Status{State: async.Running}
	}
	if s.ExitCode == 0 {
		return async.Status{State: async.Succeeded}
	}
	out, err := x.read(ctx, id, lastLines, "")
	if errdefs.IsNotFound(err) {
		return x.removed(id)
	}
	if err != nil {
		return async.Status{Err: fmt.Errorf("read the output: %w", err)}
	}
	return x.outcome(s.ExitCode, s.OOMKilled, s.Error, out)
}

// removed returns the status of a container that exists no more. If this process saw its
// end, the exit status and the output are known.
func (x *executor) removed(id string) async.Status {
	if w := x.find(id); w != nil {
		if code, ended := w.exitStatus(); ended {
			const removed = "removed by another program"
			if code == 0 && !w.complete() {
				return async.Status{State: async.Failed, Err: errors.New("container ended with exit status 0, " + removed + " before its output was read")}
			}
			return x.outcome(code, false, removed, w.out)
		}
	}
	return async.Status{State: async.Gone}
}

// Exit statuses with a special meaning: two from sysexits.h, and that of SIGKILL.
const (
	exitDataErr  = 65
	exitTempFail = 75
	exitKilled   = 137
)

// outcome returns the status of a container that has ended. more is added to the text of a
// failure.
func (x *executor) outcome(code int, oom bool, more string, out *output) async.Status {
	if code == 0 {
		return async.Status{State: async.Succeeded}
	}
	msg := fmt.Sprintf("container ended with exit status %d", code)
	if oom {
		if code == exitKilled {
			msg += ", killed because it was out of memory"
		} else {
			msg += ", after a process of it was killed because it was out of memory"
		}
		if x.cfg.Memory > 0 {
			msg += fmt.Sprintf(" (limit %d bytes)", x.cfg.Memory)
		}
	}
	if more != "" {
		msg += ", " + more
	}
	if last := out.lastLine(); last != "" {
		msg += ": " + last
	}
	err := errors.New(msg)
	switch {
	case oom:
	case code == exitDataErr:
		err = task.Permanent(err)
	case code == exitTempFail:
		err = task.Snooze(task.ReleaseDelay)
	}
	return async.Status{State: async.Failed, Err: err}
}

// missingOutput is added to the log of a container that ended while the engine was unreachable.
// The engine reads what a container writes, and loses what it could not read in time.
const missingOutput = "[the engine was unreachable when the container ended: output may be missing]\n"

// Output implements async.Executor.
func (x *executor) Output(ctx context.Context, job async.Job) (async.Output, error) {
	_, id := parseRef(job.Ref)
	out, err := x.read(ctx, id, "all", job.LargeResult)
	w := x.find(id)
	if errdefs.IsNotFound(err) {
		switch {
		case w == nil:
			return async.Output{}, async.Reject(fmt.Errorf("the container %s does not exist any more", job.Name))
		case w.reading():
			return async.Output{}, fmt.Errorf("the output of the removed container %s is not read yet", job.Name)
		case !w.complete():
			x.forget(id)
			return async.Output{Log: x.log(w.out)}, async.Reject(fmt.Errorf("another program removed the container %s before its output was read", job.Name))
		}
		out, err = w.out, nil
	}
	if err != nil {
		return async.Output{}, err
	}
	if w != nil && w.unseen() {
		x.cfg.Logger.Warn("the engine was unreachable when a container ended; what it wrote then may be missing", "container", id, "job", job.Name)
		_, _ = stderrOf{out}.Write([]byte(missingOutput))
	}
	if w != nil && w.out != out {
		out.restore(w.out)
	}
	x.forget(id)
	x.removeLater(id)
	got := async.Output{Log: x.log(out)}
	got.Result, got.TooLong = out.result()
	return got, nil
}

// log returns the log of an attempt; nil if the config keeps none.
func (x *executor) log(out *output) []byte {
	if x.cfg.MaxLog == task.NoLog {
		return nil
	}
	return out.log()
}

// lastLines is how many lines of an ended container are searched for the last one of its
// standard error.
const lastLines = "100"

// read reads lines of the output of a container and keeps the parts that matter.
func (x *executor) read(ctx context.Context, id, lines string, large task.LargeResult) (*output, error) {
	logs, err := x.engine.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lines})
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	out := newOutput(&x.cfg, large)
	return out, demux(stdoutOf{out}, stderrOf{out}, logs)
}
