//go:build unix

package demo

import (
	"fmt"
	"syscall"
)

// pause keeps the process from going on until resume.
func (m *member) pause() error { return m.signal(syscall.SIGSTOP) }

// resume ends pause.
func (m *member) resume() error { return m.signal(syscall.SIGCONT) }

func (m *member) signal(s syscall.Signal) error {
	if err := m.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to a replica: %w", s, err)
	}
	return nil
}
