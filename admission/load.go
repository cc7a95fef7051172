// Package admission has functions for pool.Config.Admit: they keep a replica from taking
// tasks while its machine is overloaded.
//
//	load := &admission.Load{MaxCPU: 0.9, MinFreeMemory: 512 << 20}
//	p, err := pool.New(store, pool.Config{Queues: queues, Admit: load.Admit})
//
// It is a package of its own, because the libraries that measure are linked only by
// programs that import it.
package admission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"
)

// DefaultWindow is the Window of a Load that sets none.
const DefaultWindow = time.Second

// firstWindow is the window of the first measurement, for which the first call of Admit
// waits.
const firstWindow = 200 * time.Millisecond

// hysteresis is the part of a bound by which a load that was refused must be better
// before it is admitted, so that the answer does not change with every task.
const hysteresis = 0.1

// Load bounds the load of the machine and of the control groups of this process. The load
// of its own tasks counts. The zero value admits all. A Load serves one replica. It must
// not be copied after its first use.
//
// A control group counts if it limits CPU or memory: that of a container, or of a unit of
// systemd, and those above it. Only version 2 of control groups is read, on Linux. A
// process that a group of version 1 limits is measured by its machine.
type Load struct {
	// MaxCPU is the part of the CPUs that may be in use, such as 0.9. It is more than 0
	// and less than 1. It is compared to the use of all CPUs of the machine, and to the use of
	// each CPU limit of a control group. Tasks are admitted again when the use is a tenth
	// below it. Default: no bound.
	MaxCPU float64
	// MinFreeMemory is how many bytes of memory must be available. It is compared to what
	// programs can get without swapping, and to what is left of each memory limit of a
	// control group. Page cache that can be dropped counts as available. Tasks are admitted
	// again when a tenth more is available. Default: no bound.
	MinFreeMemory int64
	// Window is the time over which the CPU is measured, at least 100 ms. The first
	// measurement takes 200 ms. Default: DefaultWindow.
	Window time.Duration

	mu       sync.Mutex
	measures *measures // nil before the first call
	last     cpuTimes  // zero before the first call
	use      cpuUse    // over the latest window
	cpuHigh  bool      // the CPU was refused by the last call
	memLow   bool      // the memory was refused by the last call
}

// measures reads the machine and the control groups.
type measures struct {
	cpu    func(context.Context) (busy, total float64, err error) // seconds of all CPUs since the boot
	memory func(context.Context) (available int64, err error)
	groups groups
}

// Admit returns nil if the load is within the bounds, else an error that says what is not.
// It also returns an error if the Load is invalid or a measurement fails. It is for
// pool.Config.Admit.
func (l *Load) Admit(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.Check(); err != nil {
		return err
	}
	if l.measures == nil {
		l.measures = &measures{cpu: machineCPU, memory: machineMemory, groups: findGroups(os.DirFS("/"))}
	}
	return errors.Join(l.checkCPU(ctx), l.checkMemory(ctx))
}

// Check returns what is wrong with the fields.
func (l *Load) Check() error {
	switch {
	case l.MaxCPU < 0 || l.MaxCPU >= 1:
		return fmt.Errorf("MaxCPU must be more than 0 and less than 1, such as 0.9, not %v", l.MaxCPU)
	case l.MinFreeMemory < 0:
		return fmt.Errorf("MinFreeMemory must not be negative, but is %d", l.MinFreeMemory)
	case l.Window != 0 && l.Window < 100*time.Millisecond:
		return fmt.Errorf("the Window must be at least 100ms, not %v", l.Window)
	}
	return nil
}

func (l *Load) checkCPU(ctx context.Context) error {
	if l.MaxCPU == 0 {
		return nil
	}
	if err := l.measureCPU(ctx); err != nil {
		l.cpuHigh = true
		return fmt.Errorf("the use of the CPU cannot be measured: %w", err)
	}
	most := l.MaxCPU
	if l.cpuHigh {
		most -= hysteresis * most
	}
	if l.cpuHigh = l.use.part > most; l.cpuHigh {
		return fmt.Errorf("%.0f%% of %s is in use, at most %.0f%% may be", 100*l.use.part, l.use.of, 100*most)
	}
	return nil
}

// measureCPU sets use if a window has passed since it was set last.
func (l *Load) measureCPU(ctx context.Context) error {
	window := l.Window
	if window == 0 {
		window = DefaultWindow
	}
	first := l.last.at.IsZero()
	if first {
		var err error
		if l.last, err = l.measures.times(ctx); err != nil {
			l.last = cpuTimes{}
			return err
		}
		window = min(window, firstWindow)
		timer := time.NewTimer(window)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			l.last = cpuTimes{}
			return ctx.Err()
		}
	}
	if !first && time.Since(l.last.at) < window {
		return nil
	}
	now, err := l.measures.times(ctx)
	if err != nil {
		return err
	}
	l.use, l.last = now.since(l.last, l.measures.groups), now
	return nil
}

func (l *Load) checkMemory(ctx context.Context) error {
	if l.MinFreeMemory == 0 {
		return nil
	}
	free, err := l.measures.memory(ctx)
	if err != nil {
		l.memLow = true
		return fmt.Errorf("the memory cannot be measured: %w", err)
	}
	of := "of the machine"
	if left, limited := l.measures.groups.memoryLeft(); limited && left < free {
		free, of = left, "of the limit of the control group"
	}
	least := l.MinFreeMemory
	if l.memLow {
		least += int64(hysteresis * float64(least))
	}
	if l.memLow = free < least; l.memLow {
		return fmt.Errorf("%s of memory %s is available, at least %s must be", mebibytes(free), of, mebibytes(least))
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// cpuTimes are the CPU times at one instant.
type cpuTimes struct {
	at          time.Time
	busy, total float64   // of the machine, in seconds
	groups      []float64 // used by each control group, in seconds
}

// cpuUse is how much of the CPUs was in use, and of which.
type cpuUse struct {
	part float64
	of   string
}

func (m *measures) times(ctx context.Context) (t cpuTimes, err error) {
	t.at = time.Now()
	t.busy, t.total, err = m.cpu(ctx)
	t.groups = m.groups.cpuUsed()
	return t, err
}

// since compares the use of the machine and of each control group with a limit, measured from
// before to t. It returns the greatest.
func (t cpuTimes) since(before cpuTimes, limits groups) cpuUse {
	use := cpuUse{of: "the CPU of the machine"}
	if total := t.total - before.total; total > 0 {
		use.part = max((t.busy-before.busy)/total, 0)
	}
	for i, cores := range limits.cpuLimits() {
		if cores == 0 || i >= len(before.groups) {
			continue
		}
		part := (t.groups[i] - before.groups[i]) / (t.at.Sub(before.at).Seconds() * cores)
		if part > use.part {
			use = cpuUse{part: part, of: "the CPU limit of the control group"}
		}
	}
	return use
}

// machineCPU reads the times of all CPUs.
func machineCPU(ctx context.Context) (busy, total float64, err error) {
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return 0, 0, err
	}
	if len(times) == 0 {
		return 0, 0, errors.New("no times of the CPU are reported")
	}
	t := times[0]
	// The times of guests are a part of User and Nice.
	total = t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal + t.Idle + t.Iowait
	return total - t.Idle - t.Iowait, total, nil
}

// machineMemory reads how much memory programs can get.
func machineMemory(ctx context.Context) (available int64, err error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return 0, err
	}
	return int64(m.Available), nil
}
