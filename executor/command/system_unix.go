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

// groupEmpty does not know: this system has no portable way to list a group. A stopped
// command whose output a process outside of its group keeps open therefore ends with its
// grace period.
func groupEmpty(int) (empty, known bool) { return false, false }
