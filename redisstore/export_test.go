package redisstore

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// WalkKeys is the part of Inspect that checks the pool's keys.
func (s *Store) WalkKeys(ctx context.Context, fix bool) ([]task.Finding, error) {
	var findings []task.Finding
	err := s.walkKeys(ctx, task.Inspection{Fix: fix}, func(f task.Finding) bool {
		findings = append(findings, f)
		return true
	})
	return findings, err
}

// ForgetCheck makes the next run of maintenance continue the slow check, even if its pause has not
// ended.
func (s *Store) ForgetCheck(ctx context.Context) error {
	s.mu.Lock()
	s.nextCheck = time.Time{}
	s.mu.Unlock()
	if err := s.rdb.HDel(ctx, s.key("meta"), "check").Err(); !isWrongType(err) {
		return err
	}
	return nil
}

// ForgetSchema makes the store read the pool's schema again.
func (s *Store) ForgetSchema() { s.access.schemaRead.Store(nil) }

// Held returns how many connections the store would close if its blocking calls ended now.
func (s *Store) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, b := range s.idle {
		b.mu.Lock()
		n += len(b.conns)
		b.mu.Unlock()
	}
	return n
}

// IsOutdated reports whether an error makes a cluster client reload its slot map.
func IsOutdated(ctx context.Context, err error) bool { return isOutdated(ctx, err) }
