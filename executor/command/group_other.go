//go:build !unix

package command

import "os/exec"

// group stands for the command alone where the system has no process groups.
// The promises are weaker here: stop and timeout kill the started process at
// once, without a grace and without its children, and nothing ends a command
// whose replica was killed.
type group struct {
	cmd *exec.Cmd
}

func newGroup() (*group, error) { return &group{}, nil }

func (g *group) adopt(cmd *exec.Cmd) { g.cmd = cmd }

func (g *group) terminate() { g.kill() }

func (g *group) kill() {
	if g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
	}
}
