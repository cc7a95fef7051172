package command

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// guardProgram returns the running program, even if its file was replaced.
func guardProgram() (string, error) { return "/proc/self/exe", nil }

// setDeathSignal makes the kernel kill the command when the thread that started it
// ends. It is a substitute for a guard that was killed. Unlike the guard it does not
// kill the command's own children.
func setDeathSignal(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// groupEmpty reports whether the group has no live process but its leader. known is
// false if /proc does not show the leader: it may belong to another PID namespace.
func groupEmpty(leader int) (empty, known bool) {
	// A process may fork and end while /proc is read. A second look finds its child.
	for range 2 {
		empty, known = scanGroup(leader)
		if !empty || !known {
			break
		}
	}
	return empty, known
}

func scanGroup(leader int) (empty, known bool) {
	proc, err := os.Open("/proc")
	if err != nil {
		return false, false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return false, false
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if pid == leader {
			known = true
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err == nil && liveMember(stat, leader) {
			return false, true
		}
	}
	return known, known
}

// liveMember reports whether a line of /proc/PID/stat is that of a process of the group
// that is no zombie. The line is "PID (NAME) STATE PARENT GROUP …"; the name may hold
// any characters. A zombie stays as long as its parent does not wait for it.
func liveMember(stat []byte, group int) bool {
	part := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(part) > 2 && string(part[2]) == strconv.Itoa(group) && string(part[0]) != "Z" && string(part[0]) != "X"
}
