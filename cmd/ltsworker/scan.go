package main

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// scan shows the progress while tasks are compared with a filter.
type scan struct {
	bar            *terminal.Bar
	done, estimate int // tasks
}

// checkedTasks is the unit of the bar of a scan.
const checkedTasks = "tasks checked"

// newScan returns a scan for a filter. A filter with ids needs no bar.
func newScan(ctx context.Context, c *client.Client, f task.Filter, bar *terminal.Bar) (*scan, error) {
	sc := &scan{bar: bar}
	if len(f.IDs) > 0 || !bar.Watched() {
		return sc, nil
	}
	s, err := c.Stats(ctx)
	if err != nil {
		return nil, err
	}
	states := f.States
	if len(states) == 0 {
		states = task.States()
	}
	for _, state := range states {
		switch state {
		case task.Scheduled:
			sc.estimate += s.Scheduled
		case task.Waiting, task.Running:
			for _, q := range s.Queues {
				if len(f.Queues) > 0 && !slices.Contains(f.Queues, q.Name) {
					continue
				}
				if state == task.Waiting {
					sc.estimate += q.Waiting
				} else {
					sc.estimate += q.Running
				}
			}
		default:
			sc.estimate += s.Kept[state]
		}
	}
	return sc, nil
}

// set shows that so many tasks have been compared.
func (s *scan) set(done int) {
	s.done = done
	s.bar.Set(done, s.estimate)
}

// begin starts another comparison of about estimate tasks.
func (s *scan) begin(estimate int) {
	s.bar.SwitchTo(checkedTasks)
	s.done, s.estimate = 0, estimate
}
