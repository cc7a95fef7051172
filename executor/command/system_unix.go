//go:build unix && !linux

package command

import (
	"os"
	"syscall"
)

func guardProgram() (string, error) { return os.Executable() }

// setDeathSignal does nothing: this system has no parent-death signal, and only the
// guard keeps a command from outliving its replica.
func setDeathSignal(*syscall.SysProcAttr) {}
