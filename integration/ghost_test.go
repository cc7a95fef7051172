package integration

import (
	"context"
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// seize claims tasks in the name of a replica that does nothing more: as far as
// Redis can tell, one that died at once.
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

// tasksOf are all tasks of an answer, in their order.
func tasksOf(got task.Exchanged) []*task.Task {
	var tasks []*task.Task
	for _, c := range got.Claimed {
		tasks = append(tasks, c.Tasks...)
	}
	return tasks
}

// report sends one report outside any replica and returns the verdict. Its queue is
// the default one.
func (s *site) report(r task.Report) task.Verdict {
	s.t.Helper()
	r.Queue, r.Last = pool.DefaultQueue, true
	got, err := s.store().Exchange(context.Background(), task.Exchange{
		Replica: "messenger", Sequence: 2, Call: 1, Lease: time.Second, Reports: []task.Report{r},
	})
	if err != nil && !errors.Is(err, task.ErrNotJoined) { // which leaves the verdicts valid
		s.t.Fatal(err)
	}
	return got.Verdicts[0]
}
