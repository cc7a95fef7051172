package admission

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// cgroupRoot is where version 2 of control groups is mounted.
const cgroupRoot = "sys/fs/cgroup"

// groups are the control groups of this process: its own and those above it. They are of
// version 2; without it there are none. Their limits are read each time, because they can
// change while the process runs.
type groups struct {
	root fs.FS
	dirs []string
}

// findGroups finds the groups of this process below the root of the file system.
func findGroups(root fs.FS) groups {
	g := groups{root: root}
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return g
	}
	for line := range strings.Lines(string(text)) {
		of, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		// In a container the root is the group of the container.
		for dir := path.Clean("/" + of); ; dir = path.Dir(dir) {
			g.dirs = append(g.dirs, path.Join(cgroupRoot, dir))
			if dir == "/" {
				return g
			}
		}
	}
	return g
}

// words returns the words of a file of a group; nil if it cannot be read.
func (g groups) words(dir, file string) []string {
	text, err := fs.ReadFile(g.root, path.Join(dir, file))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// value returns the word after name in a file of a group; false if there is none.
func (g groups) value(dir, file, name string) (float64, bool) {
	words := g.words(dir, file)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == name {
			return number(words[i+1])
		}
	}
	return 0, false
}

func number(word string) (float64, bool) {
	n, err := strconv.ParseInt(word, 10, 64)
	return float64(n), err == nil
}

// cpuLimits returns how many CPUs each group may use; 0 for no limit.
func (g groups) cpuLimits() []float64 {
	limits := make([]float64, len(g.dirs))
	for i, dir := range g.dirs {
		words := g.words(dir, "cpu.max") // "max 100000" or "150000 100000"
		if len(words) != 2 {
			continue
		}
		quota, limited := number(words[0])
		period, ok := number(words[1])
		if limited && ok && quota > 0 && period > 0 {
			limits[i] = quota / period
		}
	}
	return limits
}

// cpuUsed returns the seconds of CPU that each group has used.
func (g groups) cpuUsed() []float64 {
	used := make([]float64, len(g.dirs))
	for i, dir := range g.dirs {
		us, _ := g.value(dir, "cpu.stat", "usage_usec")
		used[i] = us / 1e6
	}
	return used
}

// memoryLeft returns how many bytes the group with the least may still use. limited is
// false if no group has a limit.
func (g groups) memoryLeft() (left int64, limited bool) {
	for _, dir := range g.dirs {
		most, used := g.words(dir, "memory.max"), g.words(dir, "memory.current")
		if len(most) != 1 || len(used) != 1 {
			continue
		}
		limit, ok1 := number(most[0]) // false for "max"
		current, ok2 := number(used[0])
		if !ok1 || !ok2 {
			continue
		}
		cache, _ := g.value(dir, "memory.stat", "inactive_file") // dropped before the limit is reached
		free := max(int64(limit-current+min(cache, current)), 0)
		if !limited || free < left {
			left, limited = free, true
		}
	}
	return left, limited
}
