//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

func TestCommandIsNotStartedForAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(worker.ErrShutdown)
	a := finish(t, startConfig(t, ctx, shell("echo ran"), ""))
	if !errors.Is(a.err, worker.ErrShutdown) || a.result != nil {
		t.Errorf("%q, %v", a.result, a.err)
	}
}

func TestStopAsksTheWholeGroupToEnd(t *testing.T) {
	f := newFifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cfg := shell(`exec 3>"$FIFO"; sleep 1000 & echo ready >&3; wait`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	cancel(worker.ErrStopped)
	f.gone(t)
	a := finish(t, done)
	if !errors.Is(a.err, worker.ErrStopped) || !strings.Contains(a.err.Error(), "signal: terminated") {
		t.Error(a.err)
	}
}

func TestCommandThatEndsWellWhenStoppedHasSucceeded(t *testing.T) {
	f := newFifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cfg := shell(`trap 'echo tidied; exit 0' TERM; echo ready >"$FIFO"; while :; do sleep 0.01; done`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	cancel(worker.ErrTimeout)
	if a := finish(t, done); a.err != nil || string(a.result) != "tidied\n" {
		t.Errorf("%q, %v", a.result, a.err)
	}
}

func TestExitStatusOfAStoppedCommandIsNoVerdict(t *testing.T) {
	for _, status := range []int{exitDataErr, exitTempFail} {
		f := newFifo(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cfg := shell(fmt.Sprintf(`trap 'exit %d' TERM; echo ready >"$FIFO"; while :; do sleep 0.01; done`, status))
		cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
		done := startConfig(t, ctx, cfg, "")
		f.line(t)
		cancel(worker.ErrStopped)
		if a := finish(t, done); !errors.Is(a.err, worker.ErrStopped) {
			t.Errorf("exit %d: %v", status, a.err)
		}
	}
}

func TestChildrenOfAStoppedShellHaveTheGraceToo(t *testing.T) {
	f := newFifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	// The outer shell dies of SIGTERM at once. The inner one tidies up, which
	// takes it until the fifo is read.
	cfg := shell(`sh -c 'exec 3>"$FIFO"; trap "cat \"$GO\" >&3; exit" TERM; echo ready >&3; while :; do sleep 0.01; done'; :`)
	again := newInput(t)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path, "GO=" + again.path}, time.Hour
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	cancel(worker.ErrStopped)
	again.write("tidied\n")
	if line := f.line(t); line != "tidied" {
		t.Errorf("%q", line)
	}
	f.gone(t)
	finish(t, done)
}

func TestGroupThatIgnoresSIGTERMIsKilledAfterTheGrace(t *testing.T) {
	f := newFifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cfg := shell(`trap '' TERM; exec 3>"$FIFO"; sleep 1000 & echo ready >&3; echo deaf >&2; wait; wait`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, 50*time.Millisecond
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	cancelled := time.Now()
	cancel(worker.ErrTimeout)
	f.gone(t)
	if took := time.Since(cancelled); took < cfg.Grace {
		t.Errorf("killed after %v, before its grace of %v", took, cfg.Grace)
	}
	a := finish(t, done)
	if !errors.Is(a.err, worker.ErrTimeout) || !strings.Contains(a.err.Error(), "signal: killed: deaf") {
		t.Error(a.err)
	}
}

func TestALostLeaseKillsTheWholeGroupWithoutAGrace(t *testing.T) {
	f := newFifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	// Both would say so if they were asked to end before they are killed.
	cfg := shell(`exec 3>"$FIFO"; trap 'echo asked >&3' TERM
		sh -c 'trap "echo asked >&3" TERM; echo ready >&3; while :; do sleep 0.01; done' & while :; do wait; done`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
	done := startConfig(t, ctx, cfg, "")
	f.line(t)
	cancel(fmt.Errorf("renewal: %w", worker.ErrLeaseLost))
	a := finish(t, done)
	if !errors.Is(a.err, worker.ErrLeaseLost) || !strings.Contains(a.err.Error(), "signal: killed") {
		t.Error(a.err)
	}
	if line, alive := <-f.lines; alive {
		t.Errorf("the group got SIGTERM first: %q", line)
	}
}

func TestWhatACommandLeavesBehindIsKilled(t *testing.T) {
	f := newFifo(t)
	// The leftover holds standard output open, and ignores polite signals.
	cfg := shell(`exec 3>"$FIFO"; (trap '' TERM HUP; echo ready >&3; exec sleep 1000) & echo result`)
	cfg.Env = []string{"FIFO=" + f.path}
	a := finish(t, startConfig(t, t.Context(), cfg, ""))
	if a.err != nil || string(a.result) != "result\n" {
		t.Errorf("%q, %v", a.result, a.err)
	}
	f.gone(t)
}

func TestProgramThatEscapedItsGroupDoesNotHoldTheHandler(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Fatal("setsid is needed, from util-linux or your system's packages: ", err)
	}
	f := newFifo(t)
	cfg := shell(`echo result; setsid sh -c 'echo $$ >"$FIFO"; exec sleep 1000' & cat "$GO"`)
	again := newInput(t)
	cfg.Env = []string{"FIFO=" + f.path, "GO=" + again.path}
	done := startConfig(t, t.Context(), cfg, "")
	pid, err := strconv.Atoi(f.line(t))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	again.write("and more\n")
	if a := finish(t, done); a.err != nil || string(a.result) != "result\nand more\n" {
		t.Errorf("%q, %v", a.result, a.err)
	}
}
