//go:build !linux

package redisserver

import "os/exec"

// setDeathSignal does nothing here: a test binary that is killed leaves its
// server behind.
func setDeathSignal(*exec.Cmd) {}
