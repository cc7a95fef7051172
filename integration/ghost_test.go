package integration

import (
	"context"
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// seize claims tasks for a replica that makes no other call. For Redis it is
// the same as a replica that died at once.
func (s *site) seize(replica, queue string, n int, lease time.Duration) []*task.Task {
	s.t.Helper()
	if _, err := s.store().Join(context.Background(), task.Registration{Replica: replica, Lease: time.Hour}); err != nil {
		s.t.Fatal(err)
	}
	got, err := s.store().Exchange(context.Background(), task.Exchange{
		Replica: replica, Sequence: 1, Call: 1, Lease: lease, Grace: time.Second, Claims: []task.Claim{{Queue: queue, N: n}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return tasksOf(got)
}

// tasksOf returns all tasks of a reply, in their order.
func tasksOf(got task.Exchanged) []*task.Task {
	var tasks []*task.Task
	for _, c := range got.Claimed {
		tasks = append(tasks, c.Tasks...)
	}
	return tasks
}

// report sends one report to the default queue, outside any replica, and
// returns the verdict.
func (s *site) report(r task.Report) task.Verdict {
	s.t.Helper()
	r.Queue, r.Last = pool.DefaultQueue, true
	got, err := s.store().Exchange(context.Background(), task.Exchange{
		Replica: "messenger", Sequence: 2, Call: 1, Lease: time.Second, Reports: []task.Report{r},
	})
	if err != nil && !errors.Is(err, task.ErrNotJoined) { // ErrNotJoined leaves the verdicts valid
		s.t.Fatal(err)
	}
	return got.Verdicts[0]
}
