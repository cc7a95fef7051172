package redisstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bsm/redislock"

	"github.com/ltsworker/ltsworker/task"
)

// maintenanceLease is how long one turn of maintenance keeps other replicas from
// doing the same. It saves work only: the scripts are safe to run at once.
const maintenanceLease = time.Second

// Maintain takes one turn of the pool's maintenance.
func (s *Store) Maintain(ctx context.Context, replica string) (task.Maintenance, error) {
	if err := s.ready(ctx, writes); err != nil && !isWrongType(err) {
		return task.Maintenance{}, s.fail(ctx, "maintain", err)
	}
	if taken, err := s.lockMaintenance(ctx, replica); err == nil && !taken {
		return task.Maintenance{Busy: true}, nil
	}
	// An error is no reason to stay away: a full Redis refuses the lock, and
	// maintenance makes room. A Redis that is not there refuses the scripts, too.
	u, err := s.maintain(ctx)
	if isWrongType(err) {
		// No script runs past such a key, so that it is moved out of the way first.
		found, failed := s.repairTypes(ctx)
		if failed == nil && len(found) > 0 {
			u, err = s.maintain(ctx)
		}
		u.Repaired = found
	}
	if err != nil {
		return u, s.fail(ctx, "maintain", err)
	}
	found, err := s.slowCheck(ctx)
	u.Repaired = append(u.Repaired, found...)
	return u, s.fail(ctx, "slow check", err)
}

// lockMaintenance takes the maintenance lock unless another replica has it. A lock that
// would last longer than it can was set before the clock went back: it is taken over.
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
func (s *Store) maintain(ctx context.Context) (u task.Maintenance, err error) {
	reply, err := s.run(ctx, reapScript, seed(), maintenanceBatch)
	if err != nil {
		return u, err
	}
	reap := readReply("reap", reply)
	if reply, err = s.run(ctx, promoteScript, maintenanceBatch); err != nil {
		return u, err
	}
	promote := readReply("promote", reply)
	if reply, err = s.run(ctx, purgeScript, maintenanceBatch); err != nil {
		return u, err
	}
	purge := readReply("purge", reply)

	next := []int64{reap.int(), promote.int(), promote.int(), purge.int()}
	u.Claims, u.Lost = int(reap.int()), int(reap.int())
	u.Due, u.Late = int(promote.int()), int(promote.int())
	u.Inbox = purge.int() > 0
	u.Removed, u.Trimmed, u.Replicas = int(purge.int()), int(purge.int()), int(purge.int())
	next = slices.DeleteFunc(next, func(ms int64) bool { return ms <= 0 })
	if len(next) > 0 {
		u.Next = time.Duration(slices.Min(next)) * time.Millisecond
	}
	return u, errors.Join(reap.err, promote.err, purge.err)
}

// slowCheck takes the shared walk one step on and returns what it repaired.
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

// typesPage is how many keys one call of repairTypes looks at.
const typesPage = 1000

// repairTypes moves keys of a wrong type out of the way, which stop every script that
// needs them, and returns what it moved.
func (s *Store) repairTypes(ctx context.Context) (all []task.Finding, err error) {
	for page := (checked{}); ; {
		page, err = s.checkPage(ctx, "types", typesPage, page.next)
		all = append(all, repaired(page.findings)...)
		if err != nil || page.next == "" {
			return all, err
		}
	}
}
