package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

func (s *fakeStore) report(rep Report) Verdict {
	t := s.tasks[rep.ID]
	switch {
	case t == nil:
		return Gone
	case t.State != Running || t.Fence != rep.Fence:
		return LeaseLost
	case t.Queue != rep.Queue:
		panic(fmt.Sprintf("a task of queue %q is reported in queue %q", t.Queue, rep.Queue))
	}
	s.leaveClaim(t)
	t.Code, t.Error = rep.Code, rep.Error
	switch rep.Op {
	case Succeed:
		t.State, t.Result = Succeeded, rep.Result
	case Release:
		t.released++
		s.enqueue(t, rep.Delay)
	case Fail:
		t.State = Failed
		if t.stop {
			t.State = Stopped
		}
	}
	s.wake(t.Queue, "") // the limit of its queue may have room again
	return Accepted
}

// leaveClaim takes a running task out of its claim.
func (s *fakeStore) leaveClaim(t *fakeTask) {
	c := s.held[t.Fence]
	c.open = slices.DeleteFunc(c.open, func(id string) bool { return id == t.ID })
	if len(c.open) == 0 {
		delete(s.held, t.Fence)
	}
}

// enqueue makes the task waiting, or scheduled.
func (s *fakeStore) enqueue(t *fakeTask, delay time.Duration) {
	t.State, t.DueAt, t.ready = Waiting, time.Now().Add(delay), delay <= 0
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
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) { // it must learn of an earlier time
		delete(s.idle, replica)
		s.ring(replica, "due")
		break
	}
}

// promote makes scheduled tasks that are due waiting.
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
				room -= len(c.open)
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

// wake rings an idle replica that serves the queue, but not the one given, if something
// in it can be claimed.
func (s *fakeStore) wake(queue, but string) {
	if len(s.claimable(queue, 1)) == 0 {
		return
	}
	for _, replica := range slices.Sorted(maps.Keys(s.idle)) {
		if _, serves := s.replicas[replica].Queues[queue]; serves && replica != but {
			delete(s.idle, replica)
			s.ring(replica, "q:"+queue)
			return
		}
	}
}

// claim makes one claim per bound of the attempts.
func (s *fakeStore) claim(x Exchange, c Claim) (claimed []Claimed) {
	for _, t := range s.claimable(c.Queue, c.N) {
		s.order = slices.DeleteFunc(s.order, func(o *fakeTask) bool { return o == t })
		now, bound := time.Now(), time.Time{}
		if t.Timeout > 0 && t.Timeout != Forever {
			bound = now.Add(t.Timeout)
		}
		i := slices.IndexFunc(claimed, func(c Claimed) bool { return s.held[c.Fence].bound.Equal(bound) })
		if i < 0 {
			i = len(claimed)
			claimed = append(claimed, Claimed{Queue: c.Queue, Fence: s.newClaim(x.Replica, c.Queue, x.Lease, bound), Started: now})
		}
		s.hand(t, claimed[i].Fence)
	}
	return claimed
}

// newClaim begins a claim without tasks.
func (s *fakeStore) newClaim(replica, queue string, lease time.Duration, bound time.Time) int64 {
	s.fence++
	s.held[s.fence] = &fakeClaim{replica: replica, queue: queue, started: time.Now(), leaseEnd: time.Now().Add(lease), bound: bound}
	return s.fence
}

// hand begins an attempt; the caller holds the lock.
func (s *fakeStore) hand(t *fakeTask, fence int64) {
	c := s.held[fence]
	c.open = append(c.open, t.ID)
	t.Attempt++
	t.State, t.Fence, t.Replica, t.StartedAt = Running, fence, c.replica, c.started
}

// stops lists the attempts of the replica that were asked to stop.
func (s *fakeStore) stops(replica string) (stops []Attempt) {
	for fence, c := range s.held {
		for _, id := range c.open {
			if c.replica == replica && s.tasks[id].stop {
				stops = append(stops, Attempt{ID: id, Fence: fence})
			}
		}
	}
	return stops
}

func (s *fakeStore) Renew(ctx context.Context, r Renewal) (got Renewed, err error) {
	if len(r.Held) > 250 || len(r.News) > 250 {
		panic("a renewal is over a limit")
	}
	known, drain := false, false
	err = s.do(ctx, "renew", func() {
		_, known = s.replicas[r.Replica]
		drain = s.drains[r.Replica]
		s.renewals = append(s.renewals, r)
		for _, h := range r.Held {
			got.Verdicts = append(got.Verdicts, s.renew(r, h))
		}
		for _, n := range r.News {
			if t := s.tasks[n.ID]; t != nil && t.State == Running && t.Fence == n.Fence && n.Progress != nil {
				t.Progress = n.Progress
			}
		}
		got.Stops = s.stops(r.Replica)
	})
	switch {
	case err != nil:
		return Renewed{}, err
	case !known:
		err = fmt.Errorf("renew: %w", ErrNotJoined)
	case drain:
		err = fmt.Errorf("renew: %w", ErrDrain)
	}
	return got, err
}

func (s *fakeStore) renew(r Renewal, h HeldClaim) Verdict {
	c := s.held[h.Fence]
	if c == nil || c.replica != r.Replica {
		return LeaseLost
	}
	c.leaseEnd = time.Now().Add(r.Lease)
	if h.Left != Forever {
		c.leaseEnd = time.Now().Add(min(r.Lease, h.Left+r.Grace))
	}
	if h.Held >= len(c.open) {
		return Kept
	}
	if h.IDs == nil {
		return Recount
	}
	for _, id := range slices.Clone(c.open) {
		if !slices.Contains(h.IDs, id) {
			s.takeBack(s.tasks[id])
		}
	}
	return Kept
}

// takeBack ends a lost attempt.
func (s *fakeStore) takeBack(t *fakeTask) {
	s.leaveClaim(t)
	s.reaped = append(s.reaped, t.ID)
	s.enqueue(t, 0)
}
