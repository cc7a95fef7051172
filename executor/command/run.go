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

// handle runs one attempt.
func (r *runner) handle(ctx context.Context, t *task.Task) ([]byte, error) {
	if r.MaxLog != 0 {
		t.LimitLog(r.MaxLog)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the command was not started: %w", context.Cause(ctx))
	}
	// The kernel sends the parent-death signal when the thread that started the command
	// ends, so that thread must live as long as the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	g, err := newGroup()
	if err != nil {
		return nil, fmt.Errorf("guard the command: %w", err)
	}
	defer g.kill()

	cmd := &exec.Cmd{Path: r.path, Args: r.Command, Dir: r.Dir}
	cmd.Env = r.environ(cmd.Environ(), t) // with PWD set for Dir
	g.adopt(cmd)
	stdout, stderr := &head{max: r.MaxResult}, newStderr(t)
	s, err := start(cmd, t.Payload, stdout, stderr)
	if err != nil {
		return nil, fmt.Errorf("start the command: %w", err)
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
		// Another replica may start the task as soon as the lease has ended. There is no
		// time for a grace period, or for the rest of one.
		if errors.Is(context.Cause(ctx), task.ErrLeaseLost) {
			break
		}
		g.terminate()
		r.awaitGroup(g, t.LeaseLost(), exited, s.drained)
	}
	g.kill()
	<-exited
	s.close()
	stderr.close()

	if err != nil {
		return nil, fmt.Errorf("wait for the command: %w", err)
	}
	last := ""
	if r.MaxLog != task.NoLog {
		last = lastLine(string(stderr.end.bytes()))
	}
	if err := outcome(ctx, state, last); err != nil {
		return nil, err
	}
	return stdout.result(t.LargeResult == task.FailLargeResult)
}

// groupPoll is the longest pause between two checks for remaining processes of a group.
const groupPoll = 50 * time.Millisecond

// awaitGroup waits until the command has exited and its group has no other process, until
// the grace period ends, or until the lease is lost. Children may need the grace period
// after the command itself has ended: a shell ends at SIGTERM at once, while programs
// that it started clean up. A process that left the group does not count, even if it
// keeps the output open.
func (r *runner) awaitGroup(g *group, leaseLost, exited, drained <-chan struct{}) {
	grace := time.NewTimer(r.Grace)
	defer grace.Stop()
	select {
	case <-exited:
	case <-grace.C:
		return
	case <-leaseLost:
		return
	}
	for pause := time.Millisecond; !g.empty(drained); pause = min(2*pause, groupPoll) {
		select {
		case <-time.After(pause):
		case <-grace.C:
			return
		case <-leaseLost:
			return
		}
	}
}

// systemdVars are the variables by which systemd controls a service. A command that has
// them could send notifications in the name of the replica or use its sockets.
var systemdVars = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}

// environ returns the inherited environment without systemdVars, with Env and the LTS_
// variables added.
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
