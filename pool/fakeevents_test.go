package pool

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func (s *fakeStore) LastEvent(context.Context) (string, error) {
	s.called("last")
	if s.lastErr != nil {
		if err := s.lastErr(); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(len(s.entries)), nil
}

func (s *fakeStore) ReadEvents(ctx context.Context, after string, most int, wait time.Duration) ([]task.Event, error) {
	s.called("read")
	if s.readErr != nil {
		if err := s.readErr(); err != nil {
			return nil, err
		}
	}
	from, err := strconv.Atoi(after)
	if err != nil {
		return nil, fmt.Errorf("bad cursor %q", after)
	}
	var page []task.Event
	err = s.await(ctx, wait, func() (bool, error) {
		if from > 0 && from < s.trimmed {
			return true, &task.TrimmedError{After: after, Next: "0"}
		}
		from = max(from, s.trimmed)
		for i := from; i < len(s.entries) && len(page) < most; i++ {
			page = append(page, s.entries[i]...)
		}
		return len(page) > 0, nil
	})
	return page, err
}

// await calls ready, with the mutex held, until it returns true or wait has passed.
func (s *fakeStore) await(ctx context.Context, wait time.Duration, ready func() (bool, error)) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		ok, err := ready()
		updates := s.updates
		s.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-updates:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *fakeStore) RecentEvents(_ context.Context, before string, limit int) ([]task.Event, error) {
	s.called("recent")
	if s.recentErr != nil {
		if err := s.recentErr(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := len(s.entries)
	if before != "" {
		n, _ := strconv.Atoi(before)
		end = n - 1
	}
	var page []task.Event
	for i := end - 1; i >= s.trimmed && len(page) < limit; i-- {
		page = append(page, s.entries[i]...)
	}
	return page, nil
}

func (s *fakeStore) ReadSubscription(ctx context.Context, name, consumer string, limit int, idle, wait time.Duration) ([]task.Event, bool, error) {
	s.called("read group")
	if s.readErr != nil {
		if err := s.readErr(); err != nil {
			return nil, false, err
		}
	}
	var page []task.Event
	lost := false
	err := s.await(ctx, wait, func() (bool, error) {
		g := s.groups[name]
		if g == nil {
			g = &fakeGroup{next: len(s.entries), pending: map[string]*fakePending{}}
			s.groups[name] = g
		}
		for _, entry := range s.entries {
			p := g.pending[entry[0].Cursor]
			if p != nil && time.Since(p.since) >= idle && len(page) < limit {
				p.consumer, p.since = consumer, time.Now()
				page = append(page, p.entry...)
			}
		}
		if g.next < s.trimmed {
			lost = true
			g.next = s.trimmed
		}
		for ; g.next < len(s.entries) && len(page) < limit; g.next++ {
			entry := s.entries[g.next]
			g.pending[entry[0].Cursor] = &fakePending{entry: entry, consumer: consumer, since: time.Now()}
			page = append(page, entry...)
		}
		return len(page) > 0, nil
	})
	return page, lost, err
}

func (s *fakeStore) HoldEvents(_ context.Context, group, consumer string, cursors ...string) error {
	s.called("hold")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cursors {
		if p := s.groups[group].pending[c]; p != nil {
			p.consumer, p.since = consumer, time.Now()
		}
	}
	return nil
}

func (s *fakeStore) AckEvents(_ context.Context, group string, cursors ...string) error {
	s.called("ack")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cursors {
		delete(s.groups[group].pending, c)
	}
	return nil
}

func (s *fakeStore) LeaveSubscription(_ context.Context, name, consumer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[name].left = append(s.groups[name].left, consumer)
	return nil
}

func (s *fakeStore) SubscriptionLags(context.Context) (map[string]task.Lag, int, error) {
	s.called("lag")
	s.mu.Lock()
	defer s.mu.Unlock()
	lags := map[string]task.Lag{}
	for name, g := range s.groups {
		lags[name] = task.Lag{Unread: len(s.entries) - g.next, Pending: len(g.pending), MaxEvents: s.maxEvents}
	}
	return lags, s.maxEvents, nil
}

// pendingIn returns the number of unacknowledged entries of a group.
func (s *fakeStore) pendingIn(group string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.groups[group].pending)
}
