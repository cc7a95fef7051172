package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes a server end with the benchmark, even if that is killed. The server ends with
// the thread that started it, so main locks its own thread.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
