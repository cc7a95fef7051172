//go:build unix && !linux

package demo

import "syscall"

// childAttributes puts a replica into a process group of its own, so that Ctrl-C does
// not reach it: the demo ends it. If the demo is killed, the replica ends with its
// standard input.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
