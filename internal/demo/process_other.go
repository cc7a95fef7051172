//go:build !unix

package demo

import "syscall"

// pause does nothing: this system cannot stop a process. A task that ends between the
// count and the kill is not recovered.
func (m *member) pause() error { return nil }

// resume ends pause.
func (m *member) resume() error { return nil }

func childAttributes() *syscall.SysProcAttr { return nil }
