package redisstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bsm/redislock"

	"github.com/ltsworker/ltsworker/task"
)

// maintenanceLease is how long the maintenance lock of one turn lasts. The lock only saves
// work: the scripts are safe to run concurrently.
const maintenanceLease = time.Second

// Maintain runs one turn of the pool's maintenance. It sets Busy and does nothing else if
// another replica holds the maintenance lock.
func (s *Store) Maintain(ctx context.Context, replica string) (task.Maintenance, error) {
	if err := s.ready(ctx, writes); err != nil && !isWrongType(err) {
		return task.Maintenance{}, s.fail(ctx, "maintain", err)
	}
	if taken, err := s.lockMaintenance(ctx, replica); err == nil && !taken {
		return task.Maintenance{Busy: true}, nil
	}
	// Maintenance runs even if the lock fails: a full Redis refuses the lock, and
	// maintenance frees memory. If Redis cannot be reached, the scripts fail, too.
	m, err := s.maintain(ctx)
	if isWrongType(err) {
		// Scripts stop at a key of a wrong type, so it is renamed first.
		found, failed := s.repairTypes(ctx)
		if failed == nil && len(found) > 0 {
			m, err = s.maintain(ctx)
		}
		m.Repaired = found
	}
	if err != nil {
		return m, s.fail(ctx, "maintain", err)
	}
	found, err := s.slowCheck(ctx)
	m.Repaired = append(m.Repaired, found...)
	return m, s.fail(ctx, "slow check", err)
}

// lockMaintenance takes the maintenance lock unless another replica holds it. It takes over
// a lock that expires later than maintenanceLease allows, or never: the server's clock went
// back.
func (s *Store) lockMaintenance(ctx context.Context, replica string) (taken bool, err error) {
	key := s.key("lock:maintenance")
	obtain := func() error {
		_, err := redislock.Obtain(ctx, s.rdb, key, maintenanceLease, &redislock.Options{Token: replica})
		return err
	}
	err = obtain()
	if errors.Is(err, redislock.ErrNotObtained) {
		left, failed := s.rdb.PTTL(ctx, key).Result()
		if failed != nil || left >= 0 && left <= maintenanceLease {
			return false, failed
		}
		if err = s.rdb.Del(ctx, key).Err(); err == nil {
			err = obtain()
		}
	}
	if errors.Is(err, redislock.ErrNotObtained) {
		return false, nil
	}
	return err == nil, err
}

// maintain runs the scripts of a turn.
func (s *Store) maintain(ctx context.Context) (m task.Maintenance, err error) {
	reply, err := s.run(ctx, reapScript, seed(), maintenanceBatch)
	if err != nil {
		return m, err
	}
	reap := readReply("reap", reply)
	if reply, err = s.run(ctx, promoteScript, maintenanceBatch); err != nil {
		return m, err
	}
	promote := readReply("promote", reply)
	if reply, err = s.run(ctx, purgeScript, maintenanceBatch); err != nil {
		return m, err
	}
	purge := readReply("purge", reply)

	next := []int64{reap.int(), promote.int(), promote.int(), purge.int()}
	m.Claims, m.Lost = int(reap.int()), int(reap.int())
	reap.int() // run entries without a task
	m.TimedOut = int(reap.int())
	m.Due, m.Late = int(promote.int()), int(promote.int())
	m.Inbox = purge.int() > 0
	m.Removed, m.Trimmed, m.Replicas = int(purge.int()), int(purge.int()), int(purge.int())
	m.Reports, m.TriggerEntries, m.Shards = purge.int() > 0, purge.int() > 0, purge.int() > 0
	m.LateTriggers = purge.strings()
	next = slices.DeleteFunc(next, func(ms int64) bool { return ms <= 0 })
	if len(next) > 0 {
		m.Next = time.Duration(slices.Min(next)) * time.Millisecond
	}
	return m, errors.Join(reap.err, promote.err, purge.err)
}

// slowCheck checks one page of the shared walk and returns what it repaired.
func (s *Store) slowCheck(ctx context.Context) ([]task.Finding, error) {
	s.mu.Lock()
	early := time.Now().Before(s.nextCheck)
	s.mu.Unlock()
	if early {
		return nil, nil
	}
	page, err := s.checkPage(ctx, "repair", slowPage, "shared")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.nextCheck = time.Now().Add(page.pause)
	s.mu.Unlock()
	return repaired(page.findings), nil
}

// typesPage is how many keys one call of repairTypes checks.
const typesPage = 1000

// repairTypes renames keys of a wrong type, at which scripts stop, and returns what it
// renamed.
func (s *Store) repairTypes(ctx context.Context) (all []task.Finding, err error) {
	for page := (checkReply{}); ; {
		page, err = s.checkPage(ctx, "types", typesPage, page.next)
		all = append(all, repaired(page.findings)...)
		if err != nil || page.next == "" {
			return all, err
		}
	}
}
