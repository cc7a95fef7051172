//go:build !unix

package demo

import "syscall"

// pause does nothing where processes cannot be held: what a replica finishes
// between the look at its tasks and its end is then just not recovered.
func (m *member) pause() error { return nil }

// resume ends pause.
func (m *member) resume() error { return nil }

func childAttributes() *syscall.SysProcAttr { return nil }
