//go:build unix && !linux && !darwin && !dragonfly && !freebsd && !netbsd

package command

import "syscall"

// executeLimited executes the program; it never returns. There are no limits on this
// system, only the umask.
func executeLimited(path string, args []string, _ []rlimit) {
	limiterFailed(syscall.Exec(path, args, syscall.Environ()), "exec")
}
