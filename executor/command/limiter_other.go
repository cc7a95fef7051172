//go:build !unix

package command

import (
	"errors"
	"os/exec"
)

const hasUmask = false

// limiter does not exist on systems without umask and limits: the config refuses both.
type limiter struct{}

func newLimiter(*exec.Cmd, string) (*limiter, error) {
	return nil, errors.New("this system has no limits")
}

func (*limiter) await() error { return nil }

func (*limiter) close() {}

func argumentsTooLong(error) bool { return false }
