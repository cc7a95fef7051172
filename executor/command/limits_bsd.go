//go:build darwin || dragonfly || freebsd || netbsd

package command

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// resources are the numbers of the limits, by field.
var resources = bsdResources()

func bsdResources() map[string]int {
	m := map[string]int{
		"cpu": unix.RLIMIT_CPU, "files": unix.RLIMIT_NOFILE, "processes": unix.RLIMIT_NPROC,
		"file_size": unix.RLIMIT_FSIZE, "core": unix.RLIMIT_CORE,
	}
	if runtime.GOOS != "darwin" { // which accepts it without an effect
		m["memory"] = unix.RLIMIT_AS
	}
	return m
}

func hardLimit(resource int) (uint64, error) {
	var r syscall.Rlimit
	err := syscall.Getrlimit(resource, &r)
	return uint64(r.Max), err
}

// executeLimited sets the limits and executes the program; it never returns.
func executeLimited(path string, args []string, limits []rlimit) {
	for _, l := range limits {
		var r syscall.Rlimit
		setLimit(&r.Cur, l.Soft)
		setLimit(&r.Max, l.Hard)
		if err := syscall.Setrlimit(l.Resource, &r); err != nil {
			limiterFailed(err, "set the limit "+l.Field+" for")
		}
	}
	limiterFailed(syscall.Exec(path, args, syscall.Environ()), "exec")
}

// setLimit sets a field whose type depends on the system.
func setLimit[T int64 | uint64](to *T, v uint64) { *to = T(v) }
