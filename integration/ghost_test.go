package integration

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// seize claims tasks in the name of a replica that does nothing more: as far as
// Redis can tell, one that died at once.
func (s *site) seize(replica, queue string, n int, lease time.Duration) []*worker.Task {
	s.t.Helper()
	if _, err := s.store().Join(context.Background(), worker.Registration{Replica: replica, Lease: time.Hour}); err != nil {
		s.t.Fatal(err)
	}
	_, claimed, err := s.store().Exchange(context.Background(), nil, []worker.Claim{{
		Replica: replica, Queue: queue, N: n, Lease: lease, Grace: time.Second, Call: 1,
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return claimed[0].Tasks
}

// report sends one report outside any replica and returns the verdict.
func (s *site) report(r worker.Report) worker.Verdict {
	s.t.Helper()
	verdicts, _, err := s.store().Exchange(context.Background(), []worker.Report{r}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return verdicts[0]
}
