package async

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// stop stops the job and returns the outcome of the attempt, which ends because of cause. ctx
// outlasts that of the attempt. A job that succeeded before it could be stopped is a success.
func (a *attempt) stop(ctx context.Context, cause error) ([]byte, error) {
	if lost(a.task) {
		return nil, fmt.Errorf("%w; the lease is lost, and the next owner of the task stops the job %s", cause, a.saved.Name)
	}
	stopping, cancel := a.stopping(ctx)
	defer cancel()
	if err := a.stopJob(stopping); err != nil {
		if lost(a.task) {
			return nil, fmt.Errorf("%w; the lease was lost before the job %s was stopped", cause, a.saved.Name)
		}
		a.opts.Logger.Warn("a job was not stopped in time and may still run; the task ends after it was stopped", a.args("cause", cause, "err", err)...)
		return nil, fmt.Errorf("%w; %w: the job %s was not stopped within %v: %w", cause, ErrOrphan, a.saved.Name, a.opts.StopWithin, err)
	}
	if a.saved.Ref == "" {
		a.jobEnded(stopping, a.saved)
		return nil, fmt.Errorf("%w; no job %s runs", cause, a.saved.Name)
	}
	result, err := a.stopped(stopping, cause)
	if err != nil {
		a.jobEnded(stopping, a.saved)
	}
	return result, err
}

// stopping returns a context for the stop of the job. It ends after StopWithin, and if the
// lease is lost.
func (a *attempt) stopping(ctx context.Context) (context.Context, context.CancelFunc) {
	stopping, cancel := context.WithTimeout(ctx, a.opts.StopWithin)
	go func() {
		select {
		case <-a.task.LeaseLost():
			cancel()
		case <-stopping.Done():
		}
	}()
	return stopping, cancel
}

// stopJob repeats Stop until the stop is confirmed or ctx ends.
func (a *attempt) stopJob(ctx context.Context) error {
	return a.repeat(ctx, ctx, a.opts.StopWithin, "Stop", func(ctx context.Context) error {
		if err := a.checkLocation(ctx); err != nil {
			return err
		}
		return a.executor.Stop(ctx, a.job())
	})
}

// cleanUp stops the job of an attempt whose end was decided. If it returns nil, the job has
// ended. If the job is at another remote, the clean-up is released for a replica that uses it.
func (a *attempt) cleanUp(ctx context.Context) error {
	if a.saved.Name == "" {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !endsJob(cause) {
		return fmt.Errorf("the job %s is stopped by the next owner of the task: %w", a.saved.Name, cause)
	}
	stopping, cancel := a.stopping(context.WithoutCancel(ctx))
	defer cancel()
	err := a.stopJob(stopping)
	if errors.Is(err, errElsewhere) {
		return a.release(err)
	}
	if err != nil {
		a.opts.Logger.Warn("a job was not stopped and may still run; the stop is repeated", a.args("err", err)...)
		return fmt.Errorf("the job %s was not stopped within %v: %w", a.saved.Name, a.opts.StopWithin, err)
	}
	return nil
}

// jobEnded writes to the store that the job has ended, so that the end of the attempt needs no
// clean-up, and writes a checkpoint. After an error another owner stops the job again, which
// has no effect.
func (a *attempt) jobEnded(ctx context.Context, checkpoint any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	if err := a.task.SaveJob(ctx, "", checkpoint); err != nil && !errors.Is(err, task.ErrLeaseLost) {
		a.opts.Logger.Warn("the end of a job cannot be saved; it is stopped once more", a.args("err", err)...)
	}
}

// closeWithin is how long the store may take to write that a job has ended.
const closeWithin = time.Second

// stopped returns the outcome of an attempt whose job was stopped.
func (a *attempt) stopped(ctx context.Context, cause error) ([]byte, error) {
	statuses, err := a.poller.call(ctx, []Job{a.job()})
	if err != nil || !statuses[0].State.ended() || statuses[0].State >= Gone {
		return nil, fmt.Errorf("%w; the job was stopped", cause)
	}
	result, err := a.outcome(ctx, statuses[0])
	if err == nil {
		return result, nil
	}
	// Nothing of the job's error but its text counts: a stopped job decides nothing about
	// the task.
	return nil, fmt.Errorf("%w; the job was stopped: %v", cause, err)
}

// lost reports whether the lease of the task is lost.
func lost(t *task.Task) bool {
	select {
	case <-t.LeaseLost():
		return true
	default:
		return false
	}
}
