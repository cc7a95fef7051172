package redisserver

import (
	"os/exec"
	"syscall"
)

// setDeathSignal lets no server outlive a test binary that was killed or ran
// into its time limit, when no cleanup is called.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
