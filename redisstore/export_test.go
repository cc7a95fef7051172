package redisstore

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/worker"
)

// WalkKeys is the part of Inspect that looks at the pool's keys.
func (s *Store) WalkKeys(ctx context.Context, fix bool) ([]worker.Finding, error) {
	var findings []worker.Finding
	err := s.walkKeys(ctx, worker.Inspection{Fix: fix}, func(f worker.Finding) bool {
		findings = append(findings, f)
		return true
	})
	return findings, err
}

// ForgetCheck makes the next turn of upkeep go on with the slow check, however
// long its pause still is.
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
func (s *Store) ForgetSchema() { s.schemaRead.Store(nil) }
