package worker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"
)

// panicked is the error of a handler that did not return.
type panicked struct{ text string }

func (p *panicked) Error() string { return p.text }

// unwound describes how a handler ended that did not return; v is what recover
// returned. It is called while the handler's frames are still on the stack.
func unwound(v any) error {
	if v == nil {
		return &panicked{"the handler called runtime.Goexit"}
	}
	return &panicked{fmt.Sprintf("panic: %s\n\n%s", show(v), panicStack())}
}

// show formats a value whose own methods may panic too: fmt catches that.
func show(v any) string { return cutHead(fmt.Sprint(v), MaxErrorLen/2) }

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

// report returns what the store is to do with an attempt whose handler returned.
// It runs without the replica's mutex, since an error's methods are the
// handler's code.
func (a *attempt) report(result []byte, err error) (rep Report) {
	rep = a.newReport(Succeed, CodeOK)
	if err == nil {
		if len(result) <= MaxResult {
			rep.Result = result
			return rep
		}
		err = Permanent(fmt.Errorf("the result is %d bytes; the limit is %d: store it elsewhere and return a reference", len(result), MaxResult))
	}
	defer func() {
		if v := recover(); v != nil {
			rep = a.newReport(Fail, CodePanic)
			rep.Error, rep.Log = cutHead("panic in the returned error: "+show(v), MaxErrorLen), a.logTail()
		}
	}()
	a.fail(&rep, err, a.ctx.reason())
	return rep
}

// fail fills in the report of an attempt that ended with err after its context
// was cancelled with cause, nil if it was not.
func (a *attempt) fail(rep *Report, err error, cause error) {
	var o *outcome
	if !errors.As(err, &o) {
		o = &outcome{}
	}
	var p *panicked
	final := o.permanent || o.badPayload || errors.As(err, &p)

	switch {
	case cause == ErrStopped:
		rep.Op, rep.Code = Fail, CodeStopped
	case cause == ErrShutdown && !final:
		rep.Op, rep.Code, rep.Delay = Release, CodeReleased, o.delay
		return
	case p != nil:
		rep.Op, rep.Code = Fail, CodePanic
	case o.badPayload:
		rep.Op, rep.Code = Fail, CodeBadPayload
	case o.permanent:
		rep.Op, rep.Code = Fail, CodePermanent
	case cause == ErrTimeout:
		rep.Op, rep.Code, rep.DelaySet = Fail, CodeTimeout, o.delaySet
		if o.delaySet { // a snooze is no way around the timeout
			rep.Delay = o.delay
		}
	case o.snooze:
		rep.Op, rep.Code, rep.Delay = Release, CodeReleased, o.delay
		return
	default:
		rep.Op, rep.Code, rep.Delay, rep.DelaySet = Fail, CodeError, o.delay, o.delaySet
	}

	rep.Error = err.Error()
	if cause != nil && p == nil && !errors.Is(err, cause) {
		rep.Error = cause.Error() + ": " + rep.Error
	}
	rep.Error = cutHead(rep.Error, MaxErrorLen)
	rep.Log = a.logTail()
}

// giveUp returns what the store is to do with an attempt whose handler ignores its
// cancelled context.
func (a *attempt) giveUp() Report {
	cause := a.ctx.reason()
	rep := a.newReport(Fail, CodeStopAbandoned)
	switch cause {
	case ErrStopped:
	case ErrTimeout:
		rep.Code = CodeTimeoutAbandoned
	default:
		return a.released(CodeReleased, 0)
	}
	rep.Error = fmt.Sprintf("%v, and the handler did not return within %v of that", cause, a.claim.lane.r.cfg.StopGrace)
	rep.Log = a.logTail()
	return rep
}

// released returns the report that gives the task back without using an attempt.
func (a *attempt) released(code Code, delay time.Duration) Report {
	rep := a.newReport(Release, code)
	rep.Delay = delay
	return rep
}

func (a *attempt) newReport(op Op, code Code) Report {
	return Report{ID: a.task.ID, Queue: a.claim.q.name, Fence: a.claim.fence, Op: op, Code: code}
}

// elsewhere is how long a task of an unknown kind pauses, so that a replica that
// knows it gets there first.
func elsewhere() time.Duration {
	return 100*time.Millisecond + rand.N(900*time.Millisecond)
}

// cutHead makes s valid UTF-8 of at most n bytes; the beginning is kept.
func cutHead(s string, n int) string {
	const mark = "…"
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	end := n - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// cutTail makes s valid UTF-8 of at most n bytes; the end is kept.
func cutTail(s string, n int) string {
	start := max(0, len(s)-n)
	for start > 0 && start < len(s) && !utf8.RuneStart(s[start]) {
		start++
	}
	s = strings.ToValidUTF8(s[start:], "\uFFFD")
	if len(s) > n { // the replacement is wider than what it replaces
		return cutTail(s, n)
	}
	return s
}
