package console

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// mostWaited is how many running tasks the page names of a replica that drains.
const mostWaited = 10

type replicasPage struct {
	Replicas []replicaRow
	At       time.Time
}

// replicaRow is a replica with what it does.
type replicaRow struct {
	pool.ReplicaInfo
	Slots int // slots that queues share count once
	Drain *draining
}

// draining is the progress of a drain.
type draining struct {
	Cancels, Ends time.Time    // when it cancels the tasks that run then, and when it ends at the latest; zero if unknown
	Left, Of      int          // seconds until Cancels, and of how many
	Waits         []*task.Task // that it waits for, the oldest ones
	More          int
}

func (q *request) replicas() error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	page := replicasPage{At: p.At}
	for _, r := range p.Replicas {
		row := replicaRow{ReplicaInfo: r, Slots: terminal.Slots(r)}
		if r.Draining {
			row.Drain = drainOf(p, r)
		}
		page.Replicas = append(page.Replicas, row)
	}
	return q.render("replicas", p.At, page)
}

func drainOf(p *picture, r pool.ReplicaInfo) *draining {
	d := &draining{}
	if !r.DrainingSince.IsZero() && r.DrainTimeout > 0 {
		d.Cancels = r.DrainingSince.Add(r.DrainTimeout)
		d.Ends = d.Cancels.Add(r.StopGrace)
		d.Of = int(r.DrainTimeout / time.Second)
		d.Left = min(max(int(d.Cancels.Sub(p.At)/time.Second), 0), d.Of)
	}
	for _, t := range p.Running {
		if t.Replica == r.ID && len(d.Waits) < mostWaited {
			d.Waits = append(d.Waits, t)
		}
	}
	d.More = max(r.Running-len(d.Waits), 0)
	return d
}

// Places lists the queues with their slots, and with the name and the weight of those that are
// shared.
func (r replicaRow) Places() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(r.Queues)) {
		text := name + ": " + strconv.Itoa(r.Queues[name])
		if shared := r.Shared[name]; shared != "" {
			text += " (" + shared
			if w := r.Weights[name]; w > 0 {
				text += " ×" + strconv.Itoa(w)
			}
			text += ")"
		}
		all = append(all, text)
	}
	return all
}
