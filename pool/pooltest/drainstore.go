package pooltest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// drainStore is the store of one replica of a Drain. Once the replica holds no task and
// no queue has a task for it, drainStore is idle and returns no more tasks.
type drainStore struct {
	*store
	now      func() time.Time
	recorder errorRecorder
	idle     chan struct{} // closed when idle

	mu          sync.Mutex
	maxAttempts int // claims no more after this many
	ended       bool
	inFlight    int  // exchanges without an answer
	noneReady   bool // the last exchange with claims found that no queue has another task
	tasks       map[task.Attempt]*task.Task
	done        Outcomes
}

func (s *drainStore) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	claims := x.Claims
	s.mu.Lock()
	closed := s.ended || len(s.done) >= s.maxAttempts
	if closed {
		x.Claims, x.Idle = nil, false
	}
	s.inFlight++
	s.mu.Unlock()
	answer, err := s.store.Exchange(ctx, x)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	if err != nil {
		return answer, err
	}
	if closed {
		answer.Ready, answer.Short = nil, slices.Repeat([]bool{true}, len(claims))
	}
	for _, r := range x.Reports {
		if t := s.tasks[attemptOf(r)]; t != nil {
			delete(s.tasks, attemptOf(r))
			t, policy := s.retried(t)
			s.done = append(s.done, s.recorder.outcome(t, policy, r, s.now()))
		}
	}
	for _, c := range answer.Claimed {
		for _, t := range c.Tasks {
			s.tasks[task.Attempt{ID: t.ID, Fence: c.Fence}] = t
		}
	}
	if closed || len(claims) > 0 || x.Idle {
		s.noneReady = len(answer.Ready) == 0 && !slices.Contains(answer.Short, false)
	}
	if s.noneReady && s.inFlight == 0 && len(s.tasks) == 0 && !s.ended {
		s.ended = true
		close(s.idle)
	}
	return answer, nil
}

// AwaitInbox reports no entries: Drain admits them itself.
func (s *drainStore) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

// AwaitReports reports no entries: Drain applies them itself.
func (s *drainStore) AwaitReports(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

// AwaitTriggerEntries reports no entries.
func (s *drainStore) AwaitTriggerEntries(ctx context.Context, wait time.Duration) (bool, error) {
	return false, backoff.Sleep(ctx, wait)
}

// FireTriggers does nothing: Drain fires the triggers itself.
func (s *drainStore) FireTriggers(context.Context, []task.TriggerFiring, int) (task.FiredTriggers, error) {
	return task.FiredTriggers{}, nil
}

// Maintain does nothing: Drain runs the maintenance itself.
func (s *drainStore) Maintain(context.Context, string) (task.Maintenance, error) {
	return task.Maintenance{}, nil
}
