package pooltest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// store records the enqueued tasks and removes the jitter of backoffs.
type store struct {
	pool.Store
	policies map[string]pool.Policy
	exports  map[string]pool.Export

	mu       sync.Mutex
	enqueued []Enqueued
	running  map[task.Attempt]*task.Task
}

func (s *store) Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error) {
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

// Exchange replaces the jitter of backoffs, so that a test knows when a retry is due.
func (s *store) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	reports := x.Reports
	x.Reports = slices.Clone(reports) // a repeated report must be unchanged
	s.mu.Lock()
	for i, r := range reports {
		if t := s.running[attemptOf(r)]; t != nil && r.Op == task.Fail && !r.DelaySet && s.knows(t) {
			x.Reports[i].Delay, x.Reports[i].DelaySet = longestBackoff(s.retried(t)), true
		}
	}
	s.mu.Unlock()
	answer, err := s.Store.Exchange(ctx, x)
	if err != nil {
		return answer, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		delete(s.running, attemptOf(r))
	}
	for _, c := range answer.Claimed {
		for _, t := range c.Tasks {
			s.running[task.Attempt{ID: t.ID, Fence: c.Fence}] = t
		}
	}
	return answer, nil
}

func attemptOf(r task.Report) task.Attempt { return task.Attempt{ID: r.ID, Fence: r.Fence} }

// Maintain always uses the same name, so that the maintenance lock of a replica that
// has left does not block it.
func (s *store) Maintain(ctx context.Context, _ string) (task.Maintenance, error) {
	return s.Store.Maintain(ctx, "pooltest")
}

// knows reports whether the backoff of a task is known: another pool on this store may have the
// exporter of a kind.
func (s *store) knows(t *task.Task) bool {
	_, exports := s.exports[t.Kind]
	return exports || t.State != task.Exporting
}

// retried returns the task and the policy that say when a failed attempt of t is repeated. For
// a save they have its failures and the policy of the exporter.
func (s *store) retried(t *task.Task) (*task.Task, pool.Policy) {
	if t.State != task.Exporting {
		return t, s.policies[t.Kind]
	}
	e, save := s.exports[t.Kind].WithDefaults(), *t
	save.Failures, save.MaxAttempts, save.Backoff, save.DeadlineAt = t.SavesFailed, 0, pool.Backoff{}, time.Time{}
	return &save, pool.Policy{MaxAttempts: e.MaxAttempts, Backoff: e.Backoff}
}

// longestBackoff returns the longest wait of the task after one more failure.
func longestBackoff(t *task.Task, policy pool.Policy) time.Duration {
	return cmp.Or(t.Backoff, policy.Backoff).Ceiling(t.Failures + 1)
}
