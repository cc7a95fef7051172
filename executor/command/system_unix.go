//go:build unix && !linux

package command

import (
	"os"
	"syscall"
)

func guardProgram() (string, error) { return os.Executable() }

// setDeathSignal does nothing: without a parent-death signal the guard alone
// keeps a command from outliving its replica.
func setDeathSignal(*syscall.SysProcAttr) {}
