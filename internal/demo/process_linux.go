package demo

import "syscall"

// childAttributes puts a replica into a process group of its own, so that Ctrl-C does
// not reach it: the demo ends it. If the demo is killed, the kernel kills the replica.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
