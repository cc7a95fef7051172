package pooltest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/worker"
)

// store is a store that remembers what was enqueued and leaves nothing to chance.
type store struct {
	pool.Store
	policies map[string]pool.Policy

	mu       sync.Mutex
	enqueued []Enqueued
	running  map[int64]*worker.Task // by fence
}

func (s *store) Enqueue(ctx context.Context, specs []worker.Spec) ([]worker.Receipt, error) {
	receipts, err := s.Store.Enqueue(ctx, specs)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, spec := range specs[:min(len(specs), len(receipts))] {
		spec.Payload, spec.Headers = bytes.Clone(spec.Payload), maps.Clone(spec.Headers)
		spec.Queue = cmp.Or(spec.Queue, pool.DefaultQueue)
		if r := receipts[i]; r.Err == nil {
			e := Enqueued{Spec: spec, Receipt: r, named: spec.ID != ""}
			e.ID = cmp.Or(spec.ID, r.ID)
			s.enqueued = append(s.enqueued, e)
		}
	}
	return receipts, err
}

// Exchange replaces the jitter of backoffs: a test has to know when a retry is due.
func (s *store) Exchange(ctx context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	exact := make([]worker.Report, len(reports)) // a report that is sent again must not change
	s.mu.Lock()
	for i, r := range reports {
		if t := s.running[r.Fence]; t != nil && r.Op == worker.Fail && !r.DelaySet {
			r.Delay, r.DelaySet = backoff(t, s.policies[t.Kind]), true
		}
		exact[i] = r
	}
	s.mu.Unlock()
	verdicts, claimed, err := s.Store.Exchange(ctx, exact, claims)
	if err != nil {
		return verdicts, claimed, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		delete(s.running, r.Fence)
	}
	for _, c := range claimed {
		for _, t := range c.Tasks {
			s.running[t.Fence] = t
		}
	}
	return verdicts, claimed, err
}

// Maintain is never told that another replica is at it: there may be one that has
// left, and its turn must not keep what is due from being done.
func (s *store) Maintain(ctx context.Context, _ string) (worker.Upkeep, error) {
	return s.Store.Maintain(ctx, "pooltest")
}

// backoff is the longest that the task may have to wait after one more failure.
func backoff(t *worker.Task, policy pool.Policy) time.Duration {
	return cmp.Or(t.Backoff, policy.Backoff).Ceiling(t.Failures + 1)
}
