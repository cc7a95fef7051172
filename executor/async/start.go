package async

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// startJob saves the intent, starts the job, and saves its reference. If it returns nil
// the job runs, or has ended.
func (a *attempt) startJob(ctx context.Context) error {
	// An intent without a job is left by an attempt whose Start was refused.
	if a.saved.Name == "" || a.task.Job == "" {
		if ctx.Err() != nil {
			return fmt.Errorf("no job was started: %w", context.Cause(ctx))
		}
		s := a.saved
		if s.Name == "" {
			s = intent(a.opts.Pool, a.task)
		}
		var err error
		if s.At, err = a.locate(ctx); err != nil {
			return err
		}
		if err := a.task.SaveJob(ctx, s.Name, s); err != nil {
			return a.notSaved(ctx, err)
		}
		a.saved = s
	}
	started, err := a.callStart(ctx)
	if err != nil {
		return err
	}
	a.start = time.Now().Add(-started.Age)
	a.saved.Ref, a.saved.Age = started.Ref, max(0, started.Age)
	// The reference is saved even if the replica drains or the job has to be stopped.
	if err := a.task.SaveJob(context.WithoutCancel(ctx), a.saved.text(), a.saved); err != nil {
		if errors.Is(err, task.ErrLeaseLost) {
			return err
		}
		a.opts.Logger.Warn("the reference of a job cannot be saved; if this replica dies, another one finds the job by its name", a.args("err", err)...)
	}
	return nil
}

// notSaved returns the error of an attempt that could not save its intent and has started
// nothing. The task is released, since an unreachable store is no fault of the task.
func (a *attempt) notSaved(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, task.ErrLeaseLost) {
		return fmt.Errorf("no job was started: %w", err)
	}
	a.opts.Logger.Warn("the name of a job cannot be saved; no job is started, and the task is released", "task", a.task.ID, "kind", a.task.Kind, "err", err)
	return task.Snooze(task.ReleaseDelay)
}

// locate returns the location of the remote that this process uses; "" if the executor is no
// Locator. It is repeated as Start is.
func (a *attempt) locate(ctx context.Context) (at string, err error) {
	l, ok := a.executor.(Locator)
	if !ok {
		return "", nil
	}
	within, cancel := context.WithTimeout(ctx, a.opts.StartWithin)
	defer cancel()
	err = a.repeat(within, ctx, a.opts.CallTimeout, "Location", func(call context.Context) (err error) {
		at, err = l.Location(call)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("no job was started: %w", context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("start the job: no success within %v: %w", a.opts.StartWithin, err)
	}
	return at, nil
}

// errElsewhere is the error of a call that would reach another remote than the one of the
// job.
var errElsewhere = errors.New("the job is at another remote")

// checkLocation returns errElsewhere if this process uses another remote than the owner of
// the task that has begun to start the job.
func (a *attempt) checkLocation(ctx context.Context) error {
	l, ok := a.executor.(Locator)
	if !ok || a.saved.At == "" {
		return nil
	}
	at, err := l.Location(ctx)
	if err == nil && at != a.saved.At {
		err = Reject(fmt.Errorf("%w: %s, and this replica uses %s", errElsewhere, a.saved.At, at))
	}
	return err
}

// release releases the task with its job, which is at another remote.
func (a *attempt) release(why error) error {
	a.opts.Logger.Info("the job of a task belongs to another remote; the task is released with its job", a.args("err", why)...)
	return task.Elsewhere()
}

var errNoReference = errors.New("the executor returned no reference")

// callStart repeats Start with the same name, for at most StartWithin. If its result stays
// unknown, the job that may have been started is stopped, unless another owner of the task
// continues.
func (a *attempt) callStart(ctx context.Context) (started Started, err error) {
	// After a stop request or a timeout, Start and Stop share the time of StopWithin.
	stopping, end := a.outlast(ctx, a.opts.StopWithin)
	defer end()
	starting, end := a.outlast(ctx, a.opts.StopWithin/2)
	defer end()
	starting, cancel := context.WithTimeout(starting, a.opts.StartWithin)
	defer cancel()
	waited := false
	err = a.repeat(starting, ctx, a.opts.StartTimeout, "Start", func(call context.Context) (err error) {
		if err = a.checkLocation(call); err == nil {
			started, err = a.executor.Start(call, a.saved.Name, a.task)
		}
		if err == nil && started.Ref == "" {
			err = errNoReference
		}
		switch {
		case err != nil: // shown while the attempt waits
			waited = true
			a.task.SetLog(fmt.Appendf(nil, "the job is not started yet: %v\n", err))
		case waited:
			a.task.SetLog([]byte{})
		}
		return err
	})
	switch cause := context.Cause(ctx); {
	case err == nil:
		return started, nil
	case errors.Is(err, errElsewhere):
		return Started{}, a.release(err)
	case isFinal(err):
		a.jobEnded(starting, a.saved)
		return Started{}, fmt.Errorf("start the job: %w", err)
	case cause != nil && !endsJob(cause):
		return Started{}, fmt.Errorf("the job %s may have been started, and the next owner of the task finds it: %w", a.saved.Name, cause)
	case cause != nil:
		_, err = a.stop(stopping, cause)
	default:
		_, err = a.stop(context.WithoutCancel(ctx), fmt.Errorf("start the job: no success within %v: %w", a.opts.StartWithin, err))
	}
	return Started{}, err
}
