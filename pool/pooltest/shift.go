package pooltest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// shift is the store as one replica of a Drain sees it. It is over, and hands out
// nothing more, once a claim has been answered and no task is held.
type shift struct {
	*store
	now     func() time.Time
	witness witness
	over    chan struct{} // closed at the end

	mu    sync.Mutex
	most  int // attempts
	ended bool
	tasks map[int64]*worker.Task // held, by fence
	done  Outcomes
}

func (s *shift) Exchange(ctx context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	s.mu.Lock()
	if s.ended || len(s.done) >= s.most {
		claims = slices.Clone(claims)
		for i := range claims {
			claims[i].N = 0
		}
	}
	s.mu.Unlock()
	verdicts, claimed, err := s.store.Exchange(ctx, reports, claims)
	if err != nil {
		return verdicts, claimed, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range reports {
		if t := s.tasks[r.Fence]; t != nil {
			delete(s.tasks, r.Fence)
			s.done = append(s.done, s.witness.outcome(t, s.policies[t.Kind], r, s.now()))
		}
	}
	for _, c := range claimed {
		for _, t := range c.Tasks {
			s.tasks[t.Fence] = t
		}
	}
	if len(claims) > 0 && len(s.tasks) == 0 && !s.ended {
		s.ended = true
		close(s.over)
	}
	return verdicts, claimed, err
}

// AwaitInbox leaves the inbox to Drain.
func (s *shift) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return false, pass(ctx, wait)
}

// Maintain leaves the upkeep to Drain.
func (s *shift) Maintain(context.Context, string) (worker.Upkeep, error) {
	return worker.Upkeep{}, nil
}
