//go:build unix && !linux

package demo

import "syscall"

// childAttributes keep the terminal's Ctrl-C from the replicas, which this
// process ends itself. Should it be killed, they notice by their closed standard
// input.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
