package integration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// longLease is the lease of replicas in tests whose subject is not the end of a lease:
// none ends by itself on a busy machine. See endLeases.
const longLease = 30 * time.Second

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

// endLeases ends the lease of a dead replica and the leases of its claims at once, and
// lets maintenance take the claims back. Tests whose subject is not the end of a lease
// then need no short one.
func (s *site) endLeases(replica string) {
	s.t.Helper()
	ctx := context.Background()
	claims, err := s.rdb.HGetAll(ctx, s.key("claims")).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	ended := map[string][]redis.Z{"replicas": {{Score: 1, Member: replica}}}
	for fence, text := range claims {
		if slices.Index(strings.Fields(text), replica) == 1 {
			ended["leases"] = append(ended["leases"], redis.Z{Score: 1, Member: fence})
		}
	}
	for index, members := range ended {
		if err := s.rdb.ZAddXX(ctx, s.key(index), members...).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	st := s.store()
	eventually(s.t, patience, "the dead replica is removed", func() bool {
		if _, err := st.Maintain(ctx, "test"); err != nil {
			s.t.Error(err)
		}
		return s.rdb.ZScore(ctx, s.key("replicas"), replica).Err() == redis.Nil
	})
}
