package async

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// stop stops the job and returns the outcome of the attempt, which ends because of cause.
// A job that succeeded before it could be stopped is a success.
func (a *attempt) stop(ctx context.Context, cause error) ([]byte, error) {
	if lost(a.task) {
		return nil, fmt.Errorf("%w; the lease is lost, and the next owner of the task stops the job %s", cause, a.saved.Name)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.StopWithin)
	defer cancel()
	go func() {
		select {
		case <-a.task.LeaseLost():
			cancel()
		case <-stopping.Done():
		}
	}()
	stop := func(ctx context.Context) error { return a.executor.Stop(ctx, a.job()) }
	if err := a.repeat(stopping, stopping, a.opts.StopWithin, "Stop", stop); err != nil {
		if lost(a.task) {
			return nil, fmt.Errorf("%w; the lease was lost before the job %s was stopped", cause, a.saved.Name)
		}
		a.opts.Logger.Error("a job could not be stopped and may still run", a.args("cause", cause, "err", err)...)
		return nil, fmt.Errorf("%w; %w: the job %s could not be stopped within %v and may still run, remove it at the remote: %w",
			cause, ErrOrphan, a.saved.Name, a.opts.StopWithin, err)
	}
	if a.saved.Ref == "" {
		return nil, fmt.Errorf("%w; no job %s runs", cause, a.saved.Name)
	}
	return a.stopped(stopping, cause)
}

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
