package worker

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// panicked is the error of a handler that did not return normally.
type panicked struct{ text string }

func (p *panicked) Error() string { return p.text }

// abnormalEnd describes how a handler ended that did not return; v is the value of
// recover. It is called while the handler's frames are still on the stack.
func abnormalEnd(v any) error {
	if v == nil {
		return &panicked{"the handler called runtime.Goexit"}
	}
	return &panicked{fmt.Sprintf("panic: %s\n\n%s", safeSprint(v), panicStack())}
}

// safeSprint formats v. Methods of v may panic: fmt catches that.
func safeSprint(v any) string { return cutHead(fmt.Sprint(v), task.MaxErrorLen/2) }

// panicStack returns the stack from the frame that panicked.
func panicStack() string {
	stack := string(debug.Stack())
	if _, after, ok := strings.Cut(stack, "\npanic("); ok {
		if _, frames, ok := strings.Cut(after, "\n\t"); ok {
			if _, frames, ok = strings.Cut(frames, "\n"); ok {
				return frames
			}
		}
	}
	return stack
}

// report returns the report of an attempt whose handler returned. It runs without the
// replica's mutex, because an error's methods are code of the service.
func (a *attempt) report(result []byte, err error) (rep task.Report) {
	rep = a.newReport(task.Succeed, task.CodeOK)
	if err == nil {
		large := cmp.Or(a.task.LargeResult, task.FailLargeResult)
		result, err = large.Fit(result, int64(len(result)), task.MaxResult)
	}
	if err == nil {
		rep.Result, rep.Stage = result, a.exports(result)
		a.addOutput(&rep)
		return rep
	}
	defer func() {
		if v := recover(); v != nil {
			rep = a.newReport(task.Fail, task.CodePanic)
			rep.Error = cutHead("panic in the returned error: "+safeSprint(v), task.MaxErrorLen)
			a.addOutput(&rep)
		}
	}()
	a.fail(&rep, err, a.ctx.reason())
	return rep
}

// fail fills in the report of an attempt that ended with err. cause is the cause of the
// cancellation of its context; nil if there was none.
func (a *attempt) fail(rep *task.Report, err error, cause error) {
	a.addOutput(rep)
	d := task.DispositionOf(err)
	var p *panicked
	final := d.Permanent || d.BadPayload || errors.As(err, &p)

	switch {
	case cause == task.ErrStopped:
		rep.Op, rep.Code = task.Fail, task.CodeStopped
	case d.Detach && (cause == nil || cause == task.ErrShutdown): // the work goes on without this replica
		rep.Op, rep.Code, rep.Delay = task.Detached, task.CodeDetached, d.Delay
		return
	case cause == task.ErrShutdown && !final:
		rep.Op, rep.Code, rep.Delay, rep.Elsewhere = task.Release, task.CodeReleased, d.Delay, d.Elsewhere
		return
	case p != nil:
		rep.Op, rep.Code = task.Fail, task.CodePanic
	case d.BadPayload:
		rep.Op, rep.Code = task.Fail, task.CodeBadPayload
	case d.Permanent:
		rep.Op, rep.Code = task.Fail, task.CodePermanent
	case errors.Is(cause, task.ErrTimeout):
		rep.Op, rep.Code, rep.DelaySet = task.Fail, task.CodeTimeout, d.DelaySet
		if d.DelaySet { // a Snooze does not avoid the timeout
			rep.Delay = d.Delay
		}
	case d.Snooze:
		rep.Op, rep.Code, rep.Delay, rep.Elsewhere = task.Release, task.CodeReleased, d.Delay, d.Elsewhere
		return
	default:
		rep.Op, rep.Code, rep.Delay, rep.DelaySet = task.Fail, task.CodeError, d.Delay, d.DelaySet
		if errors.Is(err, task.ErrTimeout) { // the handler has a time limit of its own
			rep.Code = task.CodeTimeout
		}
	}

	rep.Error = err.Error()
	if cause != nil && p == nil && !errors.Is(err, cause) {
		rep.Error = cause.Error() + ": " + rep.Error
	}
	rep.Error = cutHead(rep.Error, task.MaxErrorLen)
}

// giveUp returns the report of an attempt whose handler ignores its cancelled context.
func (a *attempt) giveUp() task.Report {
	cause := a.ctx.reason()
	rep := a.newReport(task.Fail, task.CodeStopAbandoned)
	switch {
	case cause == task.ErrStopped:
	case errors.Is(cause, task.ErrTimeout):
		rep.Code = task.CodeTimeoutAbandoned
	default:
		return a.released(task.CodeReleased, 0)
	}
	rep.Error = fmt.Sprintf("%v, and the handler did not return within %v", cause, a.claim.sequence.r.cfg.StopGrace)
	a.addOutput(&rep)
	return rep
}

// released returns a report that releases the task without using an attempt.
func (a *attempt) released(code task.Code, delay time.Duration) task.Report {
	rep := a.newReport(task.Release, code)
	rep.Delay = delay
	return rep
}

func (a *attempt) newReport(op task.Op, code task.Code) task.Report {
	return task.Report{ID: a.task.ID, Queue: a.claim.q.name, Fence: a.claim.fence, Op: op, Code: code}
}

// unknownKindDelay is the delay of a task of an unknown kind, so that a replica with a
// handler claims it first.
func unknownKindDelay() time.Duration {
	return 100*time.Millisecond + rand.N(900*time.Millisecond)
}

// cutHead is task.CutHead.
func cutHead(s string, n int) string { return task.CutHead(s, n) }
