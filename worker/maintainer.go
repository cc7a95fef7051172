package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The pauses between two turns of the pool's maintenance are at most maxUpkeep, or a
// lease if that is shorter, and at least minUpkeep, or minDue if the store itself says
// that something is due so soon.
const (
	maxUpkeep = 10 * time.Second
	minUpkeep = 100 * time.Millisecond
	minDue    = 10 * time.Millisecond
)

// maxRepairs bounds how many repairs of one turn are logged one by one.
const maxRepairs = 20

// maintainer takes turns at the pool's maintenance with the other replicas.
type maintainer struct{ r *Replica }

func (m *maintainer) run(ctx context.Context) {
	r := m.r
	t := retry{outage: r.outages, op: "maintain"}
	defer t.forget()
	longest := min(maxUpkeep, r.cfg.Lease)
	pause := time.Duration(0)
	for sleep(ctx, pause) {
		var up task.Maintenance
		err := r.call(ctx, func(ctx context.Context) (err error) {
			up, err = r.store.Maintain(ctx, r.ID())
			return err
		})
		m.logRepairs(up.Repaired)
		if ctx.Err() != nil {
			return
		}
		if up.Claims > 0 {
			r.log().Warn("leases ended without a report; their tasks go on elsewhere", "leases", up.Claims, "attempts", up.Lost)
			// The replica that was woken for these tasks may be frozen or cut off.
			r.poll()
		}
		if up.Inbox {
			r.inbox.admitBeside(ctx)
		}
		if err != nil {
			pause = t.failed(err)
			continue
		}
		t.ok()
		pause = maintenancePause(up, longest)
	}
}

// logRepairs logs what was repaired, which another program may have broken.
func (m *maintainer) logRepairs(repaired []task.Finding) {
	for _, f := range repaired[:min(len(repaired), maxRepairs)] {
		m.r.log().Warn("a broken entry was repaired", "key", f.Key, "task", f.Task, "found", f.What, "done", f.Fixed)
	}
	if more := len(repaired) - maxRepairs; more > 0 {
		m.r.log().Warn("more broken entries were repaired", "entries", more)
	}
}

// maintenancePause returns how long to wait after a turn.
func maintenancePause(up task.Maintenance, longest time.Duration) time.Duration {
	switch {
	case up.Busy: // often enough to notice when the replica that holds the lock is gone
		return max(jitter(longest/2), minUpkeep)
	case up.Next > 0 && up.Next < longest:
		return max(up.Next, minDue)
	default:
		return max(longest-rand.N(longest/10), minUpkeep)
	}
}
