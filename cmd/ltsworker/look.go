package main

import (
	"context"
	"slices"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// look shows the progress while tasks are compared with a filter.
type look struct {
	bar           *terminal.Bar
	done, roughly int
}

// checkedTasks is the unit of the bar of a look.
const checkedTasks = "tasks checked"

// newLook returns a look for a filter. A filter with ids needs no bar.
func newLook(ctx context.Context, c *client.Client, f task.Filter, bar *terminal.Bar) (*look, error) {
	l := &look{bar: bar}
	if len(f.IDs) > 0 || !bar.Watched() {
		return l, nil
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
			l.roughly += s.Scheduled
		case task.Waiting, task.Running:
			for _, q := range s.Queues {
				if len(f.Queues) > 0 && !slices.Contains(f.Queues, q.Name) {
					continue
				}
				if state == task.Waiting {
					l.roughly += q.Waiting
				} else {
					l.roughly += q.Running
				}
			}
		default:
			l.roughly += s.Kept[state]
		}
	}
	return l, nil
}

// set shows that so many tasks have been compared.
func (l *look) set(done int) {
	l.done = done
	l.bar.Set(done, l.roughly)
}

// begin starts another comparison of roughly this many tasks.
func (l *look) begin(roughly int) {
	l.bar.SwitchTo(checkedTasks)
	l.done, l.roughly = 0, roughly
}
