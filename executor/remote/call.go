package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// call runs one attempt as one request.
func (s *service) call(ctx context.Context, t *task.Task) ([]byte, error) {
	// Failures do not count the owners before that have lost the task or released it.
	r, err := s.request(typeCall, s.name(t, int64(t.Failures)), t, "")
	if err != nil {
		return nil, err
	}
	r.most = max(t.LargeResult.Limit(s.MaxResult), maxErrorBody)
	a, err := s.repeat(ctx, r, s.Idempotent)
	if err == nil {
		err = s.check(a, "")
	}
	if err != nil {
		return nil, err
	}
	return s.result(a, t)
}

// result returns the body of an answer as the result.
func (s *service) result(a answer, t *task.Task) ([]byte, error) {
	return t.LargeResult.Fit(a.body, a.length, s.MaxResult)
}

// The bounds of a start after its replica began to drain. Together they are less than the
// default of the replica's StopGrace.
const (
	drainGrace = 8 * time.Second // the request may continue
	saveWithin = time.Second     // the store may take to write the checkpoint
)

// unanswered is the checkpoint of an attempt whose replica drained before the service
// answered the start.
type unanswered struct {
	Name string `json:"name"` // of the job that may have been started
	N    int64  `json:"n"`    // number of the attempt, without those whose owner has lost the task
}

// startAndDetach starts a job that reports its end.
func (s *service) startAndDetach(ctx context.Context, t *task.Task) ([]byte, error) {
	within := s.Within
	if within == 0 {
		if within = t.TimeLeft; within <= 0 || within == task.Forever {
			return nil, task.Permanent(errors.New("the job has no time limit: set within, or a timeout of the attempt"))
		}
	}
	token, err := t.ReportToken(ctx)
	if err != nil {
		return nil, err
	}
	// The owners before that have lost the task do not count: this request finds their job.
	job := unanswered{N: t.Attempt - int64(t.Lost)}
	job.Name = s.name(t, job.N)
	var before unanswered
	if found, err := t.ReadCheckpoint(&before); err != nil {
		return nil, err
	} else if found && before.N == job.N-1 { // no other start was answered since
		job.Name = before.Name
	}
	r, err := s.request(typeStart, job.Name, t, token)
	if err != nil {
		return nil, err
	}
	starting, cancel := outlastDrain(ctx, s.drainGrace)
	defer cancel()
	a, err := s.repeat(starting, r, true)
	if errors.Is(err, task.ErrShutdown) {
		s.save(ctx, t, job)
	}
	if err == nil {
		err = s.check(a, token)
	}
	if err != nil {
		return nil, fmt.Errorf("start the job: %w", err)
	}
	return nil, task.Detach(within)
}

// save lets the next attempt start the job under the same name.
func (s *service) save(ctx context.Context, t *task.Task, job unanswered) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	if err := t.Checkpoint(ctx, job); err != nil && !errors.Is(err, task.ErrLeaseLost) {
		s.Logger.Warn("the name of a job cannot be saved; the next attempt may start a second one", "task", t.ID, "kind", t.Kind, "job", job.Name, "err", err)
	}
}

// outlastDrain returns a context that ends with ctx, but later by grace if the replica
// drains.
func outlastDrain(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	outlasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if errors.Is(cause, task.ErrShutdown) {
			time.AfterFunc(grace, func() { cancel(cause) })
			return
		}
		cancel(cause)
	})
	return outlasting, func() {
		stop()
		cancel(nil)
	}
}
