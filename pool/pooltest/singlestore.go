package pooltest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// singleStore is a store with one task, for a replica that runs it once. It implements
// only the methods that a replica calls.
type singleStore struct {
	pool.Store
	signals  chan struct{}
	reported chan struct{} // closed when the task is reported

	mu     sync.Mutex
	task   *task.Task // nil once it has been claimed
	report *task.Report
}

func newSingleStore(t *task.Task) *singleStore {
	return &singleStore{task: t, signals: make(chan struct{}, 1), reported: make(chan struct{})}
}

func (s *singleStore) Join(context.Context, task.Registration) ([]string, error) { return nil, nil }
func (s *singleStore) Leave(context.Context, string) error                       { return nil }

func (s *singleStore) Exchange(_ context.Context, x task.Exchange) (task.Exchanged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := task.Exchanged{
		Verdicts: slices.Repeat([]task.Verdict{task.Accepted}, len(x.Reports)),
		Short:    slices.Repeat([]bool{true}, len(x.Claims)),
	}
	if len(x.Reports) > 0 && s.report == nil {
		report := x.Reports[0] // the replica reuses the slice
		s.report = &report
		close(s.reported)
	}
	t := s.task
	if t == nil {
		return answer, nil
	}
	answer.Now = t.StartedAt
	switch {
	case len(x.Claims) > 0:
		answer.Claimed = []task.Claimed{{Queue: t.Queue, Fence: t.Fence, Started: t.StartedAt, Left: t.TimeLeft, Tasks: []*task.Task{t}}}
		s.task = nil
	case x.Idle:
		answer.Ready = []string{t.Queue}
	}
	return answer, nil
}

func (s *singleStore) IssueToken(context.Context, string, task.Attempt, string) error { return nil }

func (s *singleStore) Renew(_ context.Context, r task.Renewal) (task.Renewed, error) {
	return task.Renewed{Verdicts: slices.Repeat([]task.Verdict{task.Kept}, len(r.Held))}, nil
}

func (s *singleStore) Wake(context.Context, string) error {
	select {
	case s.signals <- struct{}{}:
	default:
	}
	return nil
}

func (s *singleStore) Listen(ctx context.Context, _ string, wait time.Duration) (task.Signal, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.signals:
		return task.Signal{Check: true}, nil
	case <-timer.C:
		return task.Signal{}, nil
	case <-ctx.Done():
		return task.Signal{}, ctx.Err()
	}
}

func (s *singleStore) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *singleStore) AwaitReports(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *singleStore) AwaitTriggerEntries(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

func (s *singleStore) FireTriggers(context.Context, []task.TriggerFiring, int) (task.FiredTriggers, error) {
	return task.FiredTriggers{}, nil
}

func (s *singleStore) Spread(context.Context) (time.Duration, error) { return 0, nil }

func (s *singleStore) Maintain(context.Context, string) (task.Maintenance, error) {
	return task.Maintenance{}, nil
}
