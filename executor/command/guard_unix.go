//go:build unix

package command

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// guardName is the argv[0] under which this program is a guard, and the name
// that a list of processes shows.
const guardName = "command-guard"

func init() {
	if len(os.Args) == 1 && os.Args[0] == guardName {
		guard()
	}
}

// guard leads the process group of one command and kills the group, itself
// included, when its standard input ends: that happens when the replica closes
// its end or is gone, whatever ended it. It never returns.
func guard() {
	// Started by hand it could lead, and would kill, somebody else's group.
	if syscall.Getpgrp() != os.Getpid() {
		os.Exit(2)
	}
	// SIGTERM to the group is meant for the command.
	signal.Ignore()
	_, _ = os.Stdout.Write([]byte{'\n'})
	_ = os.Stdout.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(0, syscall.SIGKILL)
	os.Exit(0)
}
