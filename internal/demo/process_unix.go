//go:build unix

package demo

import (
	"fmt"
	"syscall"
)

// pause stops the process until resume.
func (m *member) pause() error { return m.signal(syscall.SIGSTOP) }

// resume continues the process.
func (m *member) resume() error { return m.signal(syscall.SIGCONT) }

func (m *member) signal(s syscall.Signal) error {
	if err := m.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to a replica: %w", s, err)
	}
	return nil
}
