package demo

import "syscall"

// childAttributes keep the terminal's Ctrl-C from the replicas, which this
// process ends itself, and have the system end them should it be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
