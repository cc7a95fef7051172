package worker

import (
	"context"

	"github.com/ltsworker/ltsworker/task"
)

// trace starts the span of the attempt and returns the context of the handler.
func (a *attempt) trace() (ctx context.Context) {
	r := a.claim.sequence.r
	ctx, a.traced = r.cfg.Tracer.Attempt(&a.ctx, r.poolName(), a.task, a.claim.q.name)
	return ctx
}

// endTrace ends the span. It does so before the report is queued, so that all spans have ended
// when Run returns.
func (a *attempt) endTrace(rep *task.Report) {
	end := task.AttemptEnd{Op: rep.Op, Code: rep.Code, Error: rep.Error}
	r := a.claim.sequence.r
	r.mu.Lock()
	switch {
	case a.claim.lost || a.abandoned && a.gaveUp == task.CodeLost:
		end.Op, end.Code = task.Release, task.CodeLost
	case a.abandoned && a.gaveUp == task.CodeReleased:
		end.Op, end.Code = task.Release, task.CodeReleased
	case a.abandoned:
		end.Op, end.Code = task.Fail, a.gaveUp
	}
	end.Slow = a.wasSlow
	r.mu.Unlock()
	a.traced(end)
}

// poolName returns the name of the pool, "" if the store has none.
func (r *Replica) poolName() string {
	if s, ok := r.store.(interface{ Pool() string }); ok {
		return s.Pool()
	}
	return ""
}
