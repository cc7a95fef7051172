//go:build !linux

package redisserver

import "os/exec"

// setDeathSignal does nothing on this system: a killed test binary leaves its
// server running.
func setDeathSignal(*exec.Cmd) {}
