package admission

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// machine is a machine with one CPU, whose use the test sets.
type machine struct {
	started   time.Time
	since     time.Time
	use, busy float64
	free      int64
	err       error
}

func (m *machine) load(l *Load, files fstest.MapFS) *Load {
	m.started, m.since = time.Now(), time.Now()
	l.measures = &measures{
		cpu: func(context.Context) (float64, float64, error) {
			m.set(m.use)
			return m.busy, time.Since(m.started).Seconds(), m.err
		},
		memory: func(context.Context) (int64, error) { return m.free, m.err },
		groups: findGroups(files),
	}
	return l
}

// set sets the use from now on.
func (m *machine) set(use float64) {
	m.busy += m.use * time.Since(m.since).Seconds()
	m.since, m.use = time.Now(), use
}

// advance lets fake time pass. The tests that call it run in fake time.
func advance(d time.Duration) { time.Sleep(d) } // fake time

// wantAnswer fails if the error of l.Admit does not contain says, or if it is not nil and says
// is empty.
func wantAnswer(t *testing.T, l *Load, says string) {
	t.Helper()
	err := l.Admit(t.Context())
	if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
		t.Errorf("the answer is %v, want %q", err, says)
	}
}

func TestHighUseOfTheCPUIsRefusedUntilItIsATenthLower(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		m := &machine{}
		l := m.load(&Load{MaxCPU: 0.8}, nil)
		m.set(0.95)
		wantAnswer(t, l, "95% of the CPU of the machine is in use, at most 80% may be")
		for _, step := range []struct {
			use  float64
			says string
		}{{0.79, "79%"}, {0.73, "at most 72%"}, {0.7, ""}, {0.75, ""}, {0.79, ""}, {0.81, "81%"}} {
			m.set(step.use)
			advance(time.Second)
			wantAnswer(t, l, step.says)
		}
	})
}

// A short peak within a window neither refuses nor admits tasks.
func TestCPUIsMeasuredOverTheWindow(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		m := &machine{}
		l := m.load(&Load{MaxCPU: 0.8, Window: 10 * time.Second}, nil)
		wantAnswer(t, l, "")
		m.set(1)
		for range 7 {
			advance(time.Second)
			wantAnswer(t, l, "")
		}
		m.set(0)
		for range 3 {
			advance(time.Second)
			wantAnswer(t, l, "")
		}
		if l.use.part < 0.69 || l.use.part > 0.71 {
			t.Errorf("%v was in use in the window", l.use.part)
		}
	})
}

func TestLowMemoryIsRefusedUntilATenthMoreIsFree(t *testing.T) {
	m := &machine{}
	l := m.load(&Load{MinFreeMemory: 500 << 20}, nil)
	for _, step := range []struct {
		free int64
		says string
	}{{501, ""}, {499, "499 MiB of memory of the machine is available, at least 500 MiB must be"}, {549, "at least 550 MiB"}, {551, ""}, {500, ""}} {
		m.free = step.free << 20
		wantAnswer(t, l, step.says)
	}
}

func TestBothBoundsAreNamed(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		m := &machine{}
		l := m.load(&Load{MaxCPU: 0.5, MinFreeMemory: 1 << 30}, nil)
		m.set(1)
		wantAnswer(t, l, "100% of")
		wantAnswer(t, l, "0 MiB of")
	})
}

func TestLimitsOfControlGroupsCount(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		const own, above = "sys/fs/cgroup/a.slice/b.service/", "sys/fs/cgroup/a.slice/"
		file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
		files := fstest.MapFS{
			"proc/self/cgroup":               file("12:memory:/x\n0::/a.slice/b.service\n"),
			own + "cpu.max":                  file("max 100000\n"),
			own + "cpu.stat":                 file("usage_usec 500\nuser_usec 1\n"),
			own + "memory.max":               file("max\n"),
			own + "memory.current":           file("1\n"),
			above + "cpu.max":                file("150000 100000\n"),
			above + "cpu.stat":               file("usage_usec 1000000\nuser_usec 1\n"),
			above + "memory.max":             file("1073741824\n"), // 1024 MiB
			above + "memory.current":         file("943718400\n"),  // 900 MiB
			above + "memory.stat":            file("anon 5\ninactive_file 104857600\n"),
			"sys/fs/cgroup/cgroup.procs":     file("1\n"),
			"sys/fs/cgroup/memory.stat":      file("anon 5\n"),
			"sys/fs/cgroup/cpu.max.burst":    file("0\n"),
			"sys/fs/cgroup/other/memory.max": file("1\n"),
		}
		m := &machine{free: 64 << 30}
		l := m.load(&Load{MaxCPU: 0.9, MinFreeMemory: 200 << 20}, files)
		wantAnswer(t, l, "") // 1024 - 900 + 100 MiB are left
		files[above+"memory.current"] = file("968884225\n")
		advance(time.Second)
		files[above+"cpu.stat"] = file("usage_usec 2650000\n") // 1.65 s in 1.2 s of 1.5 CPUs
		err := l.Admit(t.Context())
		if err == nil || !strings.Contains(err.Error(), "of memory of the limit of the control group is available") ||
			!strings.Contains(err.Error(), "of the CPU limit of the control group is in use") {
			t.Errorf("the answer is %v", err)
		}
	})
}

func TestWithoutControlGroupsOnlyTheMachineCounts(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no proc":    {},
		"version 1":  {"proc/self/cgroup": {Data: []byte("9:cpu:/x\n8:memory:/x\n")}},
		"no files":   {"proc/self/cgroup": {Data: []byte("0::/x\n")}},
		"root":       {"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte("max\n")}},
		"unreadable": {"proc/self/cgroup": {Data: []byte("0::/../..\n")}, "sys/fs/cgroup/memory.max": {Data: []byte("x\n")}, "sys/fs/cgroup/memory.current": {Data: []byte("9\n")}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{free: 1 << 30}
			wantAnswer(t, m.load(&Load{MinFreeMemory: 1 << 20}, files), "")
		})
	}
}

func TestMeasurementThatFailsAndInvalidBoundsAreRefused(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		m := &machine{err: errors.New("no /proc"), free: 1 << 40}
		l := m.load(&Load{MaxCPU: 0.9, MinFreeMemory: 1}, nil)
		wantAnswer(t, l, "the use of the CPU cannot be measured: no /proc")
		wantAnswer(t, l, "the memory cannot be measured: no /proc")
		m.err = nil
		wantAnswer(t, l, "")
		for says, l := range map[string]*Load{
			"MaxCPU must be more than 0 and less than 1, such as 0.9, not 90": {MaxCPU: 90},
			"not -0.1":                               {MaxCPU: -0.1},
			"not 1":                                  {MaxCPU: 1},
			"MinFreeMemory must not be negative":     {MinFreeMemory: -1},
			"Window must be at least 100ms, not -1s": {Window: -time.Second},
			"not 1ms":                                {Window: time.Millisecond},
		} {
			wantAnswer(t, m.load(l, nil), says)
		}
		wantAnswer(t, m.load(&Load{}, nil), "")
	})
}

// The first call ends with its context, and the next one measures anew.
func TestFirstMeasurementEndsWithItsContext(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		m := &machine{}
		l := m.load(&Load{MaxCPU: 0.9}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := l.Admit(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the answer is %v", err)
		}
		synctest.Wait()
		m.set(0.99)
		wantAnswer(t, l, "99%")
	})
}

// The real measures work on this machine.
func TestThisMachineIsMeasured(t *testing.T) {
	l := &Load{MaxCPU: 0.999, MinFreeMemory: 1 << 62}
	err := l.Admit(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is available") || strings.Contains(err.Error(), "measured") {
		t.Errorf("the answer is %v", err)
	}
	if l.last.total <= 0 || l.use.of == "" {
		t.Errorf("measured %+v, %+v", l.last, l.use)
	}
}
