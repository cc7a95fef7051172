package pooltest

import (
	"context"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// stage is a store with one task, for a replica that runs it once. What a replica
// does not call it does not have.
type stage struct {
	pool.Store
	bell     chan struct{}
	reported chan struct{} // closed with the task's report

	mu     sync.Mutex
	task   *worker.Task // nil once it has been handed out
	report *worker.Report
}

func newStage(t *worker.Task) *stage {
	return &stage{task: t, bell: make(chan struct{}, 1), reported: make(chan struct{})}
}

func (s *stage) Join(context.Context, worker.Registration) ([]string, error) { return nil, nil }
func (s *stage) Leave(context.Context, string) error                         { return nil }
func (s *stage) Wake(context.Context, string) error                          { return nil }

func (s *stage) Exchange(_ context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts := make([]worker.Verdict, len(reports))
	for i, r := range reports {
		verdicts[i] = worker.Accepted
		if s.report == nil {
			s.report = &r
			close(s.reported)
		}
	}
	claimed := make([]worker.Claimed, len(claims))
	for i, c := range claims {
		if c.N > 0 && s.task != nil {
			claimed[i] = worker.Claimed{Tasks: []*worker.Task{s.task}, Now: s.task.StartedAt}
			s.task = nil
		}
	}
	return verdicts, claimed, nil
}

func (s *stage) Renew(_ context.Context, r worker.Renewal) ([]worker.Verdict, error) {
	verdicts := make([]worker.Verdict, len(r.Held))
	for i := range verdicts {
		verdicts[i] = worker.Kept
	}
	return verdicts, nil
}

func (s *stage) Ring(context.Context, string) error {
	select {
	case s.bell <- struct{}{}:
	default:
	}
	return nil
}

func (s *stage) Listen(ctx context.Context, _ string, _ []string, wait time.Duration) (worker.Signal, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.bell:
		return worker.Signal{Bell: true}, nil
	case <-timer.C:
		return worker.Signal{}, nil
	case <-ctx.Done():
		return worker.Signal{}, ctx.Err()
	}
}

func (s *stage) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return false, pass(ctx, wait)
}

func (s *stage) Maintain(context.Context, string) (worker.Upkeep, error) {
	return worker.Upkeep{}, nil
}

// pass returns when wait has passed, or the context's error when that ends first.
func pass(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
