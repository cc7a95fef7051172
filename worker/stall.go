package worker

import (
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// stall bounds how long an attempt may report no progress. Only attempts of kinds with a
// ProgressTimeout have one.
type stall struct {
	timeout time.Duration
	last    time.Time // when progress was reported last, or the attempt started; guarded by the attempt's mu
}

// moved records that the attempt has reported progress.
func (a *attempt) moved() {
	if a.stall == nil {
		return
	}
	a.mu.Lock()
	a.stall.last = time.Now()
	a.mu.Unlock()
}

// stallsAt returns when the attempt times out without further progress; zero for never.
// The caller holds the replica's mutex.
func (a *attempt) stallsAt() time.Time {
	if a.stall == nil || !a.graceAt.IsZero() {
		return time.Time{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stall.last.Add(a.stall.timeout)
}

// stalled is the cause of the cancellation of an attempt without progress.
type stalled struct{ timeout time.Duration }

func (s *stalled) Error() string {
	return fmt.Sprintf("%v: no progress for %v (progress_timeout)", task.ErrTimeout, s.timeout)
}

func (s *stalled) Unwrap() error { return task.ErrTimeout }
