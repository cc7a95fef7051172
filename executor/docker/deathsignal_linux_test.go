package docker

import (
	"os/exec"
	"syscall"
)

// setDeathSignal ends the engine with this process.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
