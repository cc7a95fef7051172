package worker

import (
	"context"
	"runtime/debug"

	"github.com/ltsworker/ltsworker/task"
)

// trace starts the span of the attempt and returns the context of the handler.
func (a *attempt) trace() (ctx context.Context) {
	r := a.claim.sequence.r
	ctx = &a.ctx // if the tracer panics
	defer a.tracerPanic()
	traced, ended := r.cfg.Tracer.Attempt(ctx, r.poolName(), a.task, a.claim.q.name)
	r.mu.Lock()
	a.traced = ended
	r.mu.Unlock()
	return traced
}

// endTrace ends the span, unless that was done. The end of an attempt that was given up is not that of
// the report. A handler that returns ends its span before the report is queued, so that the spans of
// all handlers that have returned have ended when Run returns.
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
		end.Op, end.Code, end.Error = task.Fail, a.gaveUp, a.gaveUpError
	}
	end.Slow = a.wasSlow
	ended := a.traced
	a.traced = nil
	r.mu.Unlock()
	if ended != nil {
		defer a.tracerPanic()
		ended(end)
	}
}

// tracerPanic logs a panic of the tracer. A deferred call of it lets the attempt go on.
func (a *attempt) tracerPanic() {
	if p := recover(); p != nil {
		a.claim.sequence.r.log().Error("the tracer panicked", append(a.args(), "panic", p, "stack", string(debug.Stack()))...)
	}
}

// poolName returns the name of the pool, "" if the store has none.
func (r *Replica) poolName() string {
	if s, ok := r.store.(interface{ Pool() string }); ok {
		return s.Pool()
	}
	return ""
}

// growStack makes the stack of a goroutine that has just begun large enough for a tracer. Otherwise
// the runtime grows it inside the tracer, where it has to copy and adjust the frames of many calls.
// The caller passes any index: without one the compiler would remove the array.
//
//go:noinline
func growStack(i int) byte {
	var room [5 << 10]byte
	return room[i]
}
