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

// guardWait bounds the start of a guard, a matter of milliseconds, on a machine
// that is in trouble.
const guardStartTimeout = 30 * time.Second

// group is the process group of one command, led by its guard. The guard is
// there before the command and is reaped after it, so that the group's number
// always means this group.
type group struct {
	guard *exec.Cmd
	life  *os.File // the guard acts when the last copy of this is closed: by kill, or by the end of this process
}

// newGroup starts a guard and waits until nothing but SIGKILL can end it.
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
		// The terminal's signals reach the replica alone: what becomes of its
		// commands is up to its drain.
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

// adopt makes cmd, not yet started, a member of the group.
func (g *group) adopt(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.guard.Process.Pid}
	setDeathSignal(cmd.SysProcAttr)
}

// terminate asks everybody in the group to end. The guard does not listen.
func (g *group) terminate() {
	_ = syscall.Kill(-g.guard.Process.Pid, syscall.SIGTERM)
}

// kill ends everybody in the group at once, the guard too. Only the first call
// does something.
func (g *group) kill() {
	if g.guard.ProcessState != nil {
		return
	}
	err := syscall.Kill(-g.guard.Process.Pid, syscall.SIGKILL)
	g.life.Close()
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = g.guard.Process.Kill()
	}
	_ = g.guard.Wait()
}
