package worker

import (
	"context"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func (s *fakeStore) Listen(ctx context.Context, replica string, wait time.Duration) (task.Signal, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	err := s.do(ctx, "listen", func() {})
	for err == nil {
		s.mu.Lock()
		what := ""
		if signals := s.signals[replica]; len(signals) > 0 {
			what, s.signals[replica] = signals[0], signals[1:]
		}
		changed := s.changed
		s.mu.Unlock()
		if queue, ok := strings.CutPrefix(what, "q:"); ok {
			return task.Signal{Queue: queue}, nil
		}
		if what != "" {
			return task.Signal{Check: true, Drain: what == "drain"}, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return task.Signal{}, nil
		case <-ctx.Done():
			return task.Signal{}, ctx.Err()
		}
	}
	return task.Signal{}, err
}

func (s *fakeStore) Wake(ctx context.Context, replica string) error {
	return s.do(ctx, "wake replica", func() { s.signal(replica, "check") })
}

func (s *fakeStore) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	if err := s.do(ctx, "await inbox", func() {}); err != nil {
		return false, err
	}
	for {
		s.mu.Lock()
		has, changed := len(s.inbox) > 0, s.changed
		s.mu.Unlock()
		if has {
			return true, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
