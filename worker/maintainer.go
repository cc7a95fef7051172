package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// The pause between two turns of the pool's maintenance is at most maxMaintenancePause, or
// a lease if that is shorter. It is at least minMaintenancePause, or minNextPause if the
// store reports work that is due earlier.
const (
	maxMaintenancePause = 10 * time.Second
	minMaintenancePause = 100 * time.Millisecond
	minNextPause        = 10 * time.Millisecond
)

// maxRepairs is how many repairs of one turn are logged one by one.
const maxRepairs = 20

// maintainer runs the pool's maintenance in turns with the other replicas.
type maintainer struct{ r *Replica }

func (m *maintainer) run(ctx context.Context) {
	r := m.r
	t := retry{outage: r.outages, op: "maintain"}
	defer t.stop()
	longest := min(maxMaintenancePause, r.cfg.Lease)
	pause := time.Duration(0)
	for backoff.Sleep(ctx, pause) == nil {
		var done task.Maintenance
		err := r.call(ctx, func(ctx context.Context) (err error) {
			done, err = r.store.Maintain(ctx, r.ID())
			return err
		})
		m.logRepairs(done.Repaired)
		if ctx.Err() != nil {
			return
		}
		if done.Claims > 0 {
			r.log().Warn("leases ended without a report; their attempts were taken back", "leases", done.Claims, "attempts", done.Lost)
			// The replica that was signalled for these tasks may be frozen or cut off.
			r.poll()
		}
		if done.Inbox {
			r.inbox.admitAsync(ctx)
		}
		if done.Shards {
			wake(r.spreader.wake)
		}
		if done.Reports {
			r.reports.admitAsync(ctx)
		}
		if done.TriggerEntries && r.cfg.TriggerEntries.Admit != nil {
			r.triggerInbox.admitAsync(ctx)
		}
		if done.TimedOut > 0 {
			r.log().Info("tasks outside got no report in time; their attempts have timed out", "attempts", done.TimedOut)
		}
		for _, name := range done.LateTriggers[:min(len(done.LateTriggers), maxRepairs)] {
			r.log().Warn("a trigger should have fired and has not; ltsworker doctor says more", "trigger", name)
		}
		if len(done.LateTriggers) > 0 {
			r.triggers.exist()
		}
		if err != nil {
			pause = t.failed(err)
			continue
		}
		t.ok()
		pause = maintenancePause(done, longest)
	}
}

// logRepairs logs the records that were repaired. Another program may have broken them.
func (m *maintainer) logRepairs(repaired []task.Finding) {
	for _, f := range repaired[:min(len(repaired), maxRepairs)] {
		m.r.log().Warn("a broken record was repaired", "key", f.Key, "task", f.Task, "found", f.What, "done", f.Fixed)
	}
	if more := len(repaired) - maxRepairs; more > 0 {
		m.r.log().Warn("more broken records were repaired", "entries", more)
	}
}

// maintenancePause returns how long to wait after a turn.
func maintenancePause(done task.Maintenance, longest time.Duration) time.Duration {
	switch {
	case done.Busy: // soon enough to notice that the holder of the lock is gone
		return max(jitter(longest/2), minMaintenancePause)
	case done.Next > 0 && done.Next < longest:
		return max(done.Next, minNextPause)
	default:
		return max(longest-rand.N(longest/10), minMaintenancePause)
	}
}
