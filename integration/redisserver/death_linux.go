package redisserver

import (
	"os/exec"
	"syscall"
)

// setDeathSignal ends the server when the test binary ends without its
// cleanups: because it was killed or reached its time limit.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
