package async

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// attempt is the part of an attempt that one owner of the task runs.
type attempt struct {
	*Jobs
	task  *task.Task
	saved saved
	start time.Time // of the job, by the clock of this process

	progress []byte // the last one that was set
	refused  bool   // a progress was refused, and logged
}

// Handle runs one attempt of a task, or a clean-up: see the package comment. It is a
// task.Handler. It returns the result of a job that succeeded, and Status.Err of one that
// failed. After a stop that is not confirmed, the error wraps ErrOrphan. After a drain or a lost
// lease, it wraps the cause of the context.
func (j *Jobs) Handle(ctx context.Context, t *task.Task) ([]byte, error) {
	j.outage.Publish(ctx)
	a := &attempt{Jobs: j, task: t, progress: t.Progress}
	var err error
	if a.saved, err = load(t); err != nil {
		return nil, err
	}
	if t.CleanUp != "" {
		return nil, a.cleanUp(ctx)
	}
	takenOver := a.saved.Ref != ""
	if takenOver {
		a.start = time.Now().Add(-a.saved.age(t))
	} else if err := a.startJob(ctx); err != nil {
		return nil, err
	}
	return a.wait(ctx, takenOver)
}

func (a *attempt) job() Job {
	return Job{Name: a.saved.Name, Ref: a.saved.Ref, LargeResult: a.task.LargeResult}
}

// args returns the log attributes that name the job.
func (a *attempt) args(more ...any) []any {
	return append([]any{"task", a.task.ID, "kind", a.task.Kind, "job", a.saved.Name, "ref", a.saved.Ref}, more...)
}

// wait waits for the end of the job.
func (a *attempt) wait(ctx context.Context, takenOver bool) ([]byte, error) {
	// Without an interval, Notify may have been called before this attempt waits.
	w := a.poller.add(a.job(), takenOver || a.opts.Interval == NoPolling)
	defer a.poller.remove(w)
	var limit <-chan time.Time
	if a.saved.Limit > 0 {
		timer := time.NewTimer(time.Until(a.start.Add(a.saved.Limit)))
		defer timer.Stop()
		limit = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if !endsJob(cause) {
				return nil, fmt.Errorf("the job %s continues: %w", a.saved.Name, cause)
			}
			return a.stop(context.WithoutCancel(ctx), cause)
		case <-limit:
			return a.stop(context.WithoutCancel(ctx), task.ErrTimeout)
		case <-w.changed:
			s := a.poller.take(w)
			a.show(s)
			if s.State.ended() {
				return a.end(ctx, s)
			}
		}
	}
}

// endsJob reports whether the job is stopped when the context of its attempt ends with
// this cause. Otherwise another owner of the task continues to wait for it.
func endsJob(cause error) bool {
	return errors.Is(cause, task.ErrStopped) || errors.Is(cause, task.ErrTimeout)
}

// show sets the task's progress and log.
func (a *attempt) show(s Status) {
	if s.Progress != nil && !bytes.Equal(s.Progress, a.progress) {
		a.progress = bytes.Clone(s.Progress)
		if err := a.task.SetProgress(a.progress); err != nil && !a.refused {
			a.refused = true
			a.opts.Logger.Warn("the progress of a job cannot be set", a.args("err", err)...)
		}
	}
	if s.Log != nil {
		a.task.SetLog(s.Log)
	}
}

// end returns the outcome of a job that has ended by itself.
func (a *attempt) end(ctx context.Context, s Status) ([]byte, error) {
	switch s.State {
	case Gone:
		a.jobEnded(ctx, a.saved)
		return nil, fmt.Errorf("the job %s (%s) is gone: the remote does not know it any more", a.saved.Name, a.saved.Ref)
	case Elsewhere:
		return nil, a.release(s.Err)
	}
	reading, cancel := a.outlast(ctx, a.opts.StopWithin)
	defer cancel()
	result, err := a.outcome(reading, s)
	cause := context.Cause(ctx)
	if err != nil && (cause == nil || endsJob(cause)) {
		var checkpoint any = a.saved
		if task.DispositionOf(err).Snooze {
			checkpoint = nil // with it the attempt after the release would find the same ended job
		}
		a.jobEnded(ctx, checkpoint)
	}
	if err != nil && reading.Err() != nil && cause != nil {
		return nil, fmt.Errorf("the job %s has ended, and its output was not read: %w", a.saved.Name, cause)
	}
	return result, err
}

// outcome reads the output of an ended job and returns the result or error of the attempt.
// It repeats Output until ctx ends.
func (a *attempt) outcome(ctx context.Context, s Status) ([]byte, error) {
	var out Output
	err := a.repeat(ctx, ctx, a.opts.CallTimeout, "Output", func(ctx context.Context) (err error) {
		out, err = a.executor.Output(ctx, a.job())
		return err
	})
	if out.Log != nil {
		a.task.SetLog(out.Log)
	}
	switch {
	case s.State == Succeeded && err != nil:
		return nil, fmt.Errorf("the job succeeded, but its output cannot be read: %w", err)
	case s.State == Succeeded && out.TooLong != nil:
		return nil, out.TooLong
	case s.State == Succeeded:
		return out.Result, nil
	case err != nil:
		a.opts.Logger.Warn("the output of a failed job cannot be read", a.args("err", err)...)
	}
	if s.Err == nil {
		return nil, errors.New("the job failed")
	}
	return nil, s.Err
}

// repeat makes a call of the Executor, each time for at most timeout, until it succeeds,
// its error is final, or ctx ends. It begins no call after quit has ended. It returns the
// last error of the call.
func (a *attempt) repeat(ctx, quit context.Context, timeout time.Duration, method string, call func(context.Context) error) error {
	for n := 1; ; n++ {
		began := time.Now()
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return call(ctx)
		}()
		if err == nil || isFinal(err) {
			a.outage.Worked(method, began)
		}
		if err == nil || isFinal(err) || ctx.Err() != nil || quit.Err() != nil {
			return err
		}
		if n == 1 {
			a.outage.Failed(method, began, err, "a call to the remote failed; it is repeated", a.args("call", method, "err", err)...)
		} else {
			a.outage.Continues(err)
		}
		pause := time.NewTimer(backoff.Delay(n))
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		case <-quit.Done():
		}
		pause.Stop()
		return err
	}
}

// outlast returns a context that ends at once if the lease is lost or if ctx ends and the
// job continues, and grace after ctx if the job has to be stopped.
func (a *attempt) outlast(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	outlasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-outlasting.Done():
			return
		case <-a.task.LeaseLost():
			cancel(task.ErrLeaseLost)
			return
		case <-ctx.Done():
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		if endsJob(context.Cause(ctx)) {
			select {
			case <-outlasting.Done():
				return
			case <-a.task.LeaseLost():
			case <-timer.C:
			}
		}
		cancel(context.Cause(ctx))
	}()
	return outlasting, func() { cancel(nil) }
}
