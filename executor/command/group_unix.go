//go:build unix

package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// guardStartTimeout bounds the start of a guard, which takes milliseconds on a healthy
// machine.
const guardStartTimeout = 30 * time.Second

// group is the process group of one command, led by its guard. The guard starts before
// the command and is reaped after it, so that the number of the group is not reused
// meanwhile.
type group struct {
	guard *exec.Cmd
	cmd   *exec.Cmd // nil until adopt
	life  *os.File  // the guard kills the group when the last copy of this is closed: by kill, or by the end of this process
}

// newGroup starts a guard and waits until only SIGKILL can end it.
func newGroup() (*group, error) {
	program, err := guardProgram()
	if err != nil {
		return nil, err
	}
	lifeIn, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifeIn.Close()
	ready, readyOut, err := os.Pipe()
	if err != nil {
		life.Close()
		return nil, err
	}
	defer ready.Close()

	g := &group{life: life, guard: &exec.Cmd{
		Path:   program,
		Args:   []string{guardName},
		Env:    append(os.Environ(), "GOMAXPROCS=1"), // it needs few threads
		Dir:    "/",
		Stdin:  lifeIn,
		Stdout: readyOut,
		// Only the replica gets the signals of the terminal. Its drain ends the
		// commands.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}}
	err = g.guard.Start()
	readyOut.Close()
	if err != nil {
		life.Close()
		return nil, err
	}
	_ = ready.SetReadDeadline(time.Now().Add(guardStartTimeout))
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		g.kill()
		return nil, fmt.Errorf("the guard process did not start (%s): %w", g.guard.ProcessState, err)
	}
	return g, nil
}

// adopt makes cmd, which is not yet started, a member of the group.
func (g *group) adopt(cmd *exec.Cmd) {
	g.cmd = cmd
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.guard.Process.Pid}
	setDeathSignal(cmd.SysProcAttr)
}

// terminate sends SIGTERM to the group. The guard ignores it.
func (g *group) terminate() {
	_ = syscall.Kill(-g.guard.Process.Pid, syscall.SIGTERM)
	g.signalStray(syscall.SIGTERM)
}

// signalStray sends a signal to a command that has left the group, as timeout(1) and setsid(1)
// do, and to the new group that it leads.
func (g *group) signalStray(sig syscall.Signal) {
	if g.cmd == nil || g.cmd.Process == nil || g.cmd.Process.Signal(syscall.Signal(0)) != nil {
		return // it was not started, or has ended
	}
	pid := g.cmd.Process.Pid
	switch at, err := syscall.Getpgid(pid); {
	case err != nil || at == g.guard.Process.Pid:
	case at == pid:
		_ = syscall.Kill(-pid, sig)
	default:
		_ = g.cmd.Process.Signal(sig)
	}
}

// empty reports whether the group has no process but the guard. If the system cannot
// list the group, empty reports whether the output has ended.
func (g *group) empty(drained <-chan struct{}) bool {
	if empty, known := groupEmpty(g.guard.Process.Pid); known {
		return empty
	}
	select {
	case <-drained:
		return true
	default:
		return false
	}
}

// kill kills the group, including the guard. Only the first call has an effect.
func (g *group) kill() {
	if g.guard.ProcessState != nil {
		return
	}
	err := syscall.Kill(-g.guard.Process.Pid, syscall.SIGKILL)
	g.signalStray(syscall.SIGKILL)
	g.life.Close()
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = g.guard.Process.Kill()
	}
	_ = g.guard.Wait()
}
