//go:build unix

package command

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// guardName is the argv[0] under which this program acts as a guard. Lists of processes
// show it.
const guardName = "command-guard"

func init() {
	if len(os.Args) == 1 && os.Args[0] == guardName {
		guard()
	}
}

// guard leads the process group of one command. When its standard input ends, it kills
// the group, itself included. The input ends when the replica closes its end of the
// pipe or dies. guard never returns.
func guard() {
	// A guard that a user started may be in the group of other processes, which it must
	// not kill.
	if syscall.Getpgrp() != os.Getpid() {
		os.Exit(2)
	}
	// SIGTERM to the group is for the command only.
	signal.Ignore()
	_, _ = os.Stdout.Write([]byte{'\n'})
	_ = os.Stdout.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(0, syscall.SIGKILL)
	os.Exit(0)
}
