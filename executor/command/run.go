package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

type runner struct {
	Config
	path string
}

func (r *runner) handle(ctx context.Context, t *task.Task) ([]byte, error) {
	result, log, err := r.run(ctx, t)
	t.SetLog(log)
	return result, err
}

// run runs one attempt. The log is there however it ended.
func (r *runner) run(ctx context.Context, t *task.Task) (result, log []byte, err error) {
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("command was not started: %w", context.Cause(ctx))
	}
	// The parent-death signal comes when the thread that started the command
	// ends, so that thread has to stay for as long as the command runs.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	g, err := newGroup()
	if err != nil {
		return nil, nil, fmt.Errorf("guarding the command: %w", err)
	}
	defer g.kill()

	cmd := &exec.Cmd{Path: r.path, Args: r.Command, Dir: r.Dir}
	cmd.Env = r.environ(cmd.Environ(), t) // with the PWD that belongs to Dir
	g.adopt(cmd)
	stdout, stderr := &head{max: r.MaxResult}, &tail{max: r.MaxLog}
	s, err := start(cmd, t.Payload, stdout, stderr)
	if err != nil {
		return nil, nil, fmt.Errorf("starting the command: %w", err)
	}

	var state *os.ProcessState
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		state, err = cmd.Process.Wait()
	}()
	select {
	case <-exited:
	case <-ctx.Done():
		// Another replica may start the task as soon as its lease has ended, which
		// leaves no time for a grace, or for the rest of one.
		if errors.Is(context.Cause(ctx), task.ErrLeaseLost) {
			break
		}
		g.terminate()
		// Children may need the grace for longer than the command itself: a shell
		// dies of SIGTERM at once, what it runs may want to tidy up.
		grace := time.NewTimer(r.Grace)
		defer grace.Stop()
		await(grace, t.LeaseLost(), exited, s.drained)
	}
	g.kill()
	<-exited
	s.close()

	log = stderr.bytes()
	if err != nil {
		return nil, log, fmt.Errorf("waiting for the command: %w", err)
	}
	if err := outcome(ctx, state, lastLine(string(log))); err != nil {
		return nil, log, err
	}
	return stdout.result(), log, nil
}

// await waits for all of the events, or for the timer or enough.
func await(t *time.Timer, stop <-chan struct{}, events ...<-chan struct{}) {
	for _, e := range events {
		select {
		case <-e:
		case <-t.C:
			return
		case <-stop:
			return
		}
	}
}

// fromSystemd is what systemd tells a service of itself. A command that knows it
// would speak for the replica, or take its sockets for its own.
var systemdVars = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}

// environ adds to what the command inherits, and takes fromSystemd away.
func (r *runner) environ(inherited []string, t *task.Task) []string {
	inherited = slices.DeleteFunc(inherited, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(systemdVars, name)
	})
	return append(append(inherited, r.Env...),
		"LTS_TASK_ID="+t.ID,
		"LTS_KIND="+t.Kind,
		"LTS_QUEUE="+t.Queue,
		"LTS_ATTEMPT="+strconv.FormatInt(t.Attempt, 10),
		"LTS_FENCE="+strconv.FormatInt(t.Fence, 10),
		"LTS_POOL="+r.Pool,
	)
}
