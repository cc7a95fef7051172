//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestCommandIsNotStartedForAnEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(task.ErrShutdown)
	a := finish(t, startConfig(t, ctx, shell("echo ran"), ""))
	if !errors.Is(a.err, task.ErrShutdown) || a.result != nil {
		t.Errorf("%q, %v", a.result, a.err)
	}
}

// running is a command that has reported that it is ready.
type running struct {
	*fifo
	end  context.CancelCauseFunc // ends the attempt
	done <-chan attempt
}

// startReady runs a script whose first line to "$FIFO" reports that it is ready.
func startReady(t *testing.T, script string, grace time.Duration, env ...string) running {
	t.Helper()
	f := newFifo(t)
	ctx, end := context.WithCancelCause(t.Context())
	cfg := shell(script)
	cfg.Env, cfg.Grace = append(env, "FIFO="+f.path), grace
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	return running{f, end, done}
}

func TestStopSendsSIGTERMToTheWholeGroup(t *testing.T) {
	t.Parallel()
	r := startReady(t, `exec 3>"$FIFO"; sleep 1000 & echo ready >&3; wait`, time.Hour)
	r.end(task.ErrStopped)
	r.gone(t)
	a := finish(t, r.done)
	if !errors.Is(a.err, task.ErrStopped) || !strings.Contains(a.err.Error(), "signal: terminated") {
		t.Error(a.err)
	}
}

func TestStoppedCommandThatExitsWithZeroHasSucceeded(t *testing.T) {
	t.Parallel()
	r := startReady(t, `trap 'echo tidied; exit 0' TERM; echo ready >"$FIFO"; while :; do sleep 0.01; done`, time.Hour)
	r.end(task.ErrTimeout)
	if a := finish(t, r.done); a.err != nil || string(a.result) != "tidied\n" {
		t.Errorf("%q, %v", a.result, a.err)
	}
}

func TestExitStatusOfAStoppedCommandIsIgnored(t *testing.T) {
	t.Parallel()
	for _, status := range []int{exitDataErr, exitTempFail} {
		r := startReady(t, fmt.Sprintf(`trap 'exit %d' TERM; echo ready >"$FIFO"; while :; do sleep 0.01; done`, status), time.Hour)
		r.end(task.ErrStopped)
		if a := finish(t, r.done); !errors.Is(a.err, task.ErrStopped) {
			t.Errorf("exit %d: %v", status, a.err)
		}
	}
}

func TestChildrenOfAStoppedShellHaveTheGracePeriod(t *testing.T) {
	t.Parallel()
	again := newInput(t)
	// The outer shell ends at SIGTERM at once. The inner one cleans up until the fifo is
	// read.
	r := startReady(t, `sh -c 'exec 3>"$FIFO"; trap "cat \"$GO\" >&3; exit" TERM; echo ready >&3; while :; do sleep 0.01; done'; :`,
		time.Hour, "GO="+again.path)
	r.end(task.ErrStopped)
	again.write("tidied\n")
	if line := r.line(t); line != "tidied" {
		t.Errorf("%q", line)
	}
	r.gone(t)
	finish(t, r.done)
}

func TestGroupThatIgnoresSIGTERMIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	const grace = 50 * time.Millisecond
	r := startReady(t, `trap '' TERM; exec 3>"$FIFO"; sleep 1000 & echo deaf >&2; echo ready >&3; wait; wait`, grace)
	cancelled := time.Now()
	r.end(task.ErrTimeout)
	r.gone(t)
	if took := time.Since(cancelled); took < grace {
		t.Errorf("killed after %v, before its grace of %v", took, grace)
	}
	a := finish(t, r.done)
	if !errors.Is(a.err, task.ErrTimeout) || !strings.Contains(a.err.Error(), "signal: killed: deaf") {
		t.Error(a.err)
	}
}

func TestLostLeaseKillsTheGroupAtOnce(t *testing.T) {
	t.Parallel()
	// Both would write a line if they got SIGTERM before SIGKILL.
	r := startReady(t, `exec 3>"$FIFO"; trap 'echo asked >&3' TERM
		sh -c 'trap "echo asked >&3" TERM; echo ready >&3; while :; do sleep 0.01; done' & while :; do wait; done`, time.Hour)
	r.end(fmt.Errorf("renewal: %w", task.ErrLeaseLost))
	a := finish(t, r.done)
	if !errors.Is(a.err, task.ErrLeaseLost) || !strings.Contains(a.err.Error(), "signal: killed") {
		t.Error(a.err)
	}
	select {
	case line, alive := <-r.lines:
		if alive {
			t.Errorf("the group got SIGTERM first: %q", line)
		}
	case <-time.After(waitTimeout):
		t.Error("a process of the command is still alive")
	}
}

func TestRemainingProcessesOfACommandAreKilled(t *testing.T) {
	t.Parallel()
	f := newFifo(t)
	// The remaining process keeps standard output open and ignores SIGTERM.
	cfg := shell(`exec 3>"$FIFO"; (trap '' TERM HUP; echo ready >&3; exec sleep 1000) & echo result`)
	cfg.Env = []string{"FIFO=" + f.path}
	a := finish(t, startConfig(t, t.Context(), cfg, ""))
	if a.err != nil || string(a.result) != "result\n" {
		t.Errorf("%q, %v", a.result, a.err)
	}
	f.gone(t)
}
