//go:build !unix

package command

import "os/exec"

// group is only the command itself on systems without process groups. The guarantees
// are weaker: a stop or timeout kills the started process at once, without a grace
// period and without its children, and nothing ends a command whose replica was killed.
type group struct {
	cmd *exec.Cmd
}

func newGroup() (*group, error) { return &group{}, nil }

func (g *group) adopt(cmd *exec.Cmd) { g.cmd = cmd }

func (g *group) terminate() { g.kill() }

func (g *group) empty(<-chan struct{}) bool { return true }

func (g *group) kill() {
	if g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
	}
}
