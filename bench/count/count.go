// Package count counts the instructions that a task costs Redis: it runs
// redis-server under valgrind's callgrind and calls the scripts enqueue and
// exchange for plain tasks, which have no group, unique key, deadline, header or
// result. Unlike a time, a count is the same on a busy machine, so two versions
// of a script that differ by a percent can be compared.
//
// It needs redis-server 7 or newer (REDIS_SERVER names the program) and valgrind.
package count

import (
	"context"
	"fmt"
	"os"
)

// Result is the cost of one phase.
type Result struct {
	Phase   Phase
	Tasks   int
	Profile *Profile
}

// PerTask returns the number of instructions per task.
func (r Result) PerTask() int64 { return r.Profile.Total / int64(r.Tasks) }

// Run measures phases with the given number of tasks each, and passes each result to each.
func Run(ctx context.Context, phases []Phase, tasks int, each func(Result) error) error {
	dir, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	d, err := newDriver(ctx, s)
	if err != nil {
		return err
	}
	defer d.sequence.Close()
	for i, p := range phases {
		// The first turn loads the scripts and grows the tables, and is not counted.
		if err := p.turn(d, tasks, func() error { return nil }, func() error { return nil }); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		var prof *Profile
		err := p.turn(d, tasks, func() error { return s.count(true) }, func() error {
			file, err := s.dump(i)
			if err == nil {
				prof, err = read(file)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if err := each(Result{p, tasks, prof}); err != nil {
			return err
		}
	}
	return nil
}
