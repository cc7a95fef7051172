package command

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resources are the numbers of the limits, by field.
var resources = map[string]int{
	"cpu": unix.RLIMIT_CPU, "memory": unix.RLIMIT_AS, "files": unix.RLIMIT_NOFILE,
	"processes": unix.RLIMIT_NPROC, "file_size": unix.RLIMIT_FSIZE, "core": unix.RLIMIT_CORE,
}

func hardLimit(resource int) (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(resource, &r)
	return r.Max, err
}

// executeLimited sets the limits and executes the program; it never returns. The address
// space of a Go process is usually larger than the limit. From the first limit on, the
// runtime therefore must not need memory or a thread: everything is allocated before, and
// the system calls are raw.
func executeLimited(path string, args []string, limits []rlimit) {
	runtime.LockOSThread()
	program, err1 := syscall.BytePtrFromString(path)
	argv, err2 := syscall.SlicePtrFromStrings(args)
	envv, err3 := syscall.SlicePtrFromStrings(syscall.Environ())
	if err1 != nil || err2 != nil || err3 != nil {
		limiterFailed(syscall.EINVAL, "exec")
	}
	values := make([]unix.Rlimit, len(limits))
	messages := make([][]byte, len(limits))
	for i, l := range limits {
		values[i] = unix.Rlimit{Cur: l.Soft, Max: l.Hard}
		messages[i] = append(make([]byte, 0, 64), " set the limit "+l.Field+" for"...)
	}
	message, digits := []byte(" exec"), make([]byte, 0, 20)
	// Package os has raised the soft limit of open files. An execution restores it, also
	// one that fails.
	_ = syscall.Exec("", nil, nil)
	debug.SetGCPercent(-1)

	var errno syscall.Errno
	for i := range limits {
		if _, _, errno = syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(limits[i].Resource), uintptr(unsafe.Pointer(&values[i])), 0, 0, 0); errno != 0 {
			message = messages[i]
			break
		}
	}
	if errno == 0 {
		_, _, errno = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(program)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])))
	}
	digits = strconv.AppendInt(digits, int64(errno), 10)
	for _, b := range [][]byte{digits, message} {
		syscall.RawSyscall(syscall.SYS_WRITE, limiterResult, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	}
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 2, 0, 0)
}
