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

// drainGrace is how long a start may continue when its replica drains: less than the
// default of the replica's StopGrace.
const drainGrace = 8 * time.Second

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
	r, err := s.request(typeStart, s.name(t, t.Attempt-int64(t.Lost)), t, token)
	if err != nil {
		return nil, err
	}
	starting, cancel := outlastDrain(ctx)
	defer cancel()
	a, err := s.repeat(starting, r, true)
	if err == nil {
		err = s.check(a, token)
	}
	if err != nil {
		return nil, fmt.Errorf("start the job: %w", err)
	}
	return nil, task.Detach(within)
}

// outlastDrain returns a context that ends with ctx, but drainGrace later if the replica
// drains.
func outlastDrain(ctx context.Context) (context.Context, context.CancelFunc) {
	outlasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if errors.Is(cause, task.ErrShutdown) {
			time.AfterFunc(drainGrace, func() { cancel(cause) })
			return
		}
		cancel(cause)
	})
	return outlasting, func() {
		stop()
		cancel(nil)
	}
}
