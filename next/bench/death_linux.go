package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets no server outlive a benchmark that was killed. The caller's
// thread must live as long as the server: main locks its own.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
