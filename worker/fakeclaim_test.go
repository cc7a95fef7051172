package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func (s *fakeStore) report(rep task.Report) task.Verdict {
	t := s.tasks[rep.ID]
	switch {
	case t == nil:
		return task.Gone
	case t.State != task.Running || t.Fence != rep.Fence:
		return task.LeaseLost
	case t.Queue != rep.Queue:
		panic(fmt.Sprintf("a task of queue %q is reported in queue %q", t.Queue, rep.Queue))
	}
	t.Code, t.Error = rep.Code, rep.Error
	if rep.InPlace && !t.stop && t.Failures+1 < t.MaxAttemptsOr(task.Policy{}) {
		if rep.Op != task.Fail {
			panic("a report that is no failure asks for another attempt")
		}
		t.Failures++
		t.Attempt++
		return task.Again
	}
	s.leaveClaim(t)
	switch rep.Op {
	case task.Succeed:
		t.State, t.Result = task.Succeeded, rep.Result
	case task.Release:
		t.released++
		s.enqueue(t, rep.Delay)
	case task.Detached:
		t.detached = rep.Delay
	case task.Fail:
		t.State = task.Failed
		if t.stop {
			t.State = task.Stopped
		}
	}
	s.wake(t.Queue, "") // the limit of the queue may allow another start
	return task.Accepted
}

func (s *fakeStore) Checkpoint(ctx context.Context, queue string, a task.Attempt, n int64, data []byte) error {
	var refused error
	err := s.do(ctx, "checkpoint", func() {
		t := s.tasks[a.ID]
		switch {
		case t == nil || t.State != task.Running || t.Fence != a.Fence:
			refused = task.ErrLeaseLost
		case t.Queue != queue:
			panic(fmt.Sprintf("a checkpoint of queue %q is written in queue %q", t.Queue, queue))
		case t.saved[a.Fence] < n:
			t.saved = map[int64]int64{a.Fence: n}
			t.LastCheckpoint = data
			t.checkpoints++
		}
	})
	if err != nil {
		return err
	}
	return refused
}

func (s *fakeStore) SaveJob(ctx context.Context, queue string, a task.Attempt, n int64, data []byte, job string) error {
	err := s.Checkpoint(ctx, queue, a, n, data)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tasks[a.ID].Job = job
	}
	return err
}

// leaveClaim removes a running task from its claim.
func (s *fakeStore) leaveClaim(t *fakeTask) {
	c := s.held[t.Fence]
	c.openIDs = slices.DeleteFunc(c.openIDs, func(id string) bool { return id == t.ID })
	if len(c.openIDs) == 0 {
		delete(s.held, t.Fence)
	}
}

// enqueue makes the task waiting, or scheduled.
func (s *fakeStore) enqueue(t *fakeTask, delay time.Duration) {
	t.State, t.DueAt, t.ready = task.Waiting, time.Now().Add(delay), delay <= 0
	s.order = append(s.order, t)
	if t.ready {
		s.wake(t.Queue, "")
		return
	}
	for _, other := range s.order {
		if !other.ready && other.DueAt.Before(t.DueAt) {
			return
		}
	}
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) { // signal the earlier time
		delete(s.idle, replica)
		s.signal(replica, "due")
		break
	}
}

// promote makes scheduled tasks waiting whose time has come.
func (s *fakeStore) promote() {
	for _, t := range s.order {
		if !t.ready && !time.Now().Before(t.DueAt) {
			t.ready = true
			s.wake(t.Queue, "")
		}
	}
}

// claimable returns up to n tasks that can be claimed.
func (s *fakeStore) claimable(queue string, n int) (tasks []*fakeTask) {
	room := len(s.order)
	if limit := s.limits[queue]; limit > 0 {
		room = limit
		for _, c := range s.held {
			if c.queue == queue {
				room -= len(c.openIDs)
			}
		}
	}
	for _, t := range s.order {
		if len(tasks) >= min(n, room) {
			break
		}
		if t.ready && t.Queue == queue {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// wake signals an idle replica that serves the queue, except but, if a task of the
// queue can be claimed.
func (s *fakeStore) wake(queue, but string) {
	if len(s.claimable(queue, 1)) == 0 {
		return
	}
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) {
		if _, serves := s.replicas[replica].Queues[queue]; serves && replica != but {
			delete(s.idle, replica)
			s.signal(replica, "q:"+queue)
			return
		}
	}
}

// claim makes one claim per bound of the attempts.
func (s *fakeStore) claim(x task.Exchange, c task.Claim) (claimed []task.Claimed) {
	for _, t := range s.claimable(c.Queue, c.N) {
		s.order = slices.DeleteFunc(s.order, func(o *fakeTask) bool { return o == t })
		now, bound := time.Now(), time.Time{}
		if t.Timeout > 0 && t.Timeout != task.Forever {
			bound = now.Add(t.Timeout)
		}
		i := slices.IndexFunc(claimed, func(c task.Claimed) bool { return s.held[c.Fence].bound.Equal(bound) })
		if i < 0 {
			i = len(claimed)
			claimed = append(claimed, task.Claimed{Queue: c.Queue, Fence: s.newClaim(x.Replica, c.Queue, x.Lease, bound), Started: now})
		}
		s.startAttempt(t, claimed[i].Fence)
	}
	return claimed
}

// newClaim makes a claim without tasks.
func (s *fakeStore) newClaim(replica, queue string, lease time.Duration, bound time.Time) int64 {
	s.fence++
	s.held[s.fence] = &fakeClaim{replica: replica, queue: queue, started: time.Now(), leaseEnd: time.Now().Add(lease), bound: bound}
	return s.fence
}

// startAttempt starts an attempt. The caller holds the lock.
func (s *fakeStore) startAttempt(t *fakeTask, fence int64) {
	c := s.held[fence]
	c.openIDs = append(c.openIDs, t.ID)
	t.Attempt++
	t.State, t.Fence, t.Replica, t.StartedAt = task.Running, fence, c.replica, c.started
}

// stops lists the open attempts of the replica for which a stop was requested.
func (s *fakeStore) stops(replica string) (stops []task.Attempt) {
	for fence, c := range s.held {
		for _, id := range c.openIDs {
			if c.replica == replica && s.tasks[id].stop {
				stops = append(stops, task.Attempt{ID: id, Fence: fence})
			}
		}
	}
	for _, t := range s.tasks {
		if t.reported == replica {
			stops = append(stops, task.Attempt{ID: t.ID, Fence: t.Fence, Reported: true})
		}
	}
	return stops
}

func (s *fakeStore) Renew(ctx context.Context, r task.Renewal) (got task.Renewed, err error) {
	if len(r.Held) > 250 || len(r.Updates) > 250 {
		panic("a renewal is over a limit")
	}
	known, drain := false, false
	err = s.do(ctx, "renew", func() {
		_, known = s.replicas[r.Replica]
		drain = s.drains[r.Replica]
		s.renewals = append(s.renewals, r)
		got.Triggers = s.hasTriggers
		for _, h := range r.Held {
			got.Verdicts = append(got.Verdicts, s.renew(r, h))
		}
		for _, n := range r.Updates {
			if n.LogSize > 0 {
				s.logs = append(s.logs, sentLog{time.Now(), n.Log})
			}
			if t := s.tasks[n.ID]; t != nil && t.State == task.Running && t.Fence == n.Fence && (n.Attempt == 0 || t.Attempt == n.Attempt) && n.Progress != nil {
				t.Progress = n.Progress
			}
		}
		got.Stops = s.stops(r.Replica)
	})
	switch {
	case err != nil:
		return task.Renewed{}, err
	case !known:
		err = fmt.Errorf("renew: %w", task.ErrNotJoined)
	case drain:
		err = fmt.Errorf("renew: %w", task.ErrDrain)
	}
	return got, err
}

func (s *fakeStore) renew(r task.Renewal, h task.HeldClaim) task.Verdict {
	c := s.held[h.Fence]
	if c == nil || c.replica != r.Replica {
		return task.LeaseLost
	}
	c.leaseEnd = time.Now().Add(r.Lease)
	if h.Left != task.Forever {
		c.leaseEnd = time.Now().Add(min(r.Lease, h.Left+r.Grace))
	}
	if h.Held >= len(c.openIDs) {
		return task.Kept
	}
	if h.IDs == nil {
		return task.Recount
	}
	for _, id := range slices.Clone(c.openIDs) {
		if !slices.Contains(h.IDs, id) {
			s.takeBack(s.tasks[id])
		}
	}
	return task.Kept
}

// takeBack ends a lost attempt.
func (s *fakeStore) takeBack(t *fakeTask) {
	s.leaveClaim(t)
	s.reaped = append(s.reaped, t.ID)
	s.enqueue(t, 0)
}
