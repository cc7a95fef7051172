package command

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Limits are resource limits (setrlimit) of a command and its children. Each process has
// the limits for itself. A limit of 0 keeps that of this process, and none may be higher
// than the hard limit of this process. Limits need Linux, FreeBSD, NetBSD, DragonFly BSD or
// macOS, which has no Memory.
type Limits struct {
	// CPU is the processor time, in whole seconds. A process gets SIGXCPU when it has
	// used it, and SIGKILL after another second.
	CPU time.Duration
	// Memory is the address space in bytes. It counts what a process maps, which may be
	// much more than it uses. Allocations beyond it fail.
	Memory int64
	// Files is one more than the highest file descriptor.
	Files int
	// Processes is how many processes and threads the user of the replica may have, on
	// the whole system, before the command can start another. Linux does not apply it to
	// root.
	Processes int
	// FileSize is the size in bytes to which a file may grow. A process gets SIGXFSZ
	// when it writes more.
	FileSize int64
	// Core is the size of a core dump in bytes; NoCore for none.
	Core int64
}

// NoCore is the Core of Limits under which no core dump is written.
const NoCore = -1

// rlimit is one limit as the limiter sets it.
type rlimit struct {
	Field      string
	Resource   int
	Soft, Hard uint64
}

// list returns the limits to set. Memory and processes are the last, because the limiter
// itself may need more.
func (l *Limits) list() []rlimit {
	var list []rlimit
	add := func(field string, value, hard uint64) {
		if value != 0 || hard != 0 {
			list = append(list, rlimit{field, resources[field], value, hard})
		}
	}
	if cpu := uint64(l.CPU / time.Second); cpu > 0 {
		add("cpu", cpu, cpu+1)
	}
	add("files", uint64(l.Files), uint64(l.Files))
	add("file_size", uint64(l.FileSize), uint64(l.FileSize))
	if l.Core == NoCore {
		list = append(list, rlimit{"core", resources["core"], 0, 0})
	} else {
		add("core", uint64(l.Core), uint64(l.Core))
	}
	add("processes", uint64(l.Processes), uint64(l.Processes))
	add("memory", uint64(l.Memory), uint64(l.Memory))
	return list
}

// check returns everything that is wrong with the limits.
func (l *Limits) check() (errs []error) {
	wrong := map[string]bool{}
	add := func(field, format string, args ...any) {
		wrong[field] = true
		errs = append(errs, &task.FieldError{Field: "limits." + field, Msg: fmt.Sprintf(format, args...)})
	}
	switch {
	case l.CPU < 0:
		add("cpu", "must not be negative, but is %v", l.CPU)
	case l.CPU%time.Second != 0:
		add("cpu", "must be in whole seconds, not %v", l.CPU)
	}
	for _, v := range []struct {
		field string
		value int64
	}{{"files", int64(l.Files)}, {"file_size", l.FileSize}, {"processes", int64(l.Processes)}, {"memory", l.Memory}} {
		if v.value < 0 {
			add(v.field, "must not be negative, but is %d", v.value)
		}
	}
	if l.Core < NoCore {
		add("core", "must not be negative, but is %d; NoCore is for none", l.Core)
	}
	for _, r := range l.list() {
		if wrong[r.Field] {
			continue
		}
		if _, known := resources[r.Field]; !known {
			add(r.Field, "cannot be set: this system has no such limit")
			continue
		}
		switch most, err := hardLimit(r.Resource); {
		case err != nil:
			add(r.Field, "cannot be set: %v", err)
		case r.Soft > most:
			add(r.Field, "must be at most %d, the hard limit of this process, not %d: give less, or raise that limit (ulimit -H, Limit… in a systemd unit)", most, r.Soft)
		}
	}
	return errs
}
