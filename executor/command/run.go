package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

type runner struct {
	Config
	path     string
	args     template.Args
	env      template.Env
	settings string // of the limiter; "" for none
}

// handle runs one attempt.
func (r *runner) handle(ctx context.Context, t *task.Task) ([]byte, error) {
	if r.MaxLog != 0 {
		t.LimitLog(r.MaxLog)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the command was not started: %w", context.Cause(ctx))
	}
	values := template.NewValues(t, r.Pool)
	args, err := r.args.Fill(values)
	if err != nil {
		return nil, err
	}
	env, err := r.environ(ctx, values, t)
	if err != nil {
		return nil, err
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

	cmd := &exec.Cmd{Path: r.path, Args: args, Env: env, Dir: r.Dir}
	g.adopt(cmd)
	stdout, stderr := &head{max: t.LargeResult.Limit(r.MaxResult)}, newStderr(t)
	s, err := r.start(cmd, t.Payload, stdout, stderr)
	if err != nil {
		err = fmt.Errorf("start the command: %w", err)
		if argumentsTooLong(err) && r.templated() {
			err = task.BadPayload(err)
		}
		return nil, err
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
	return t.LargeResult.Fit(stdout.buf, stdout.total, r.MaxResult)
}

// start starts cmd, by a limiter if it has limits.
func (r *runner) start(cmd *exec.Cmd, input []byte, stdout, stderr io.Writer) (*streams, error) {
	if r.settings == "" {
		return start(cmd, input, stdout, stderr)
	}
	l, err := newLimiter(cmd, r.settings)
	if err != nil {
		return nil, err
	}
	defer l.close()
	s, err := start(cmd, input, stdout, stderr)
	if err != nil {
		return nil, err
	}
	if err := l.await(); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s.close()
		return nil, err
	}
	return s, nil
}

// templated reports whether the command has values of the task.
func (r *runner) templated() bool {
	return !r.args.Constant() || !r.env.Constant()
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
