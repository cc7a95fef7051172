package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// maxAlertRules bounds the stored alert rules of a pool.
const maxAlertRules = 100

// ErrTooManyAlertRules is returned by SetAlertRule for a rule beyond the bound.
var ErrTooManyAlertRules = fmt.Errorf("a pool has at most %d stored alert rules: remove one", maxAlertRules)

// SetAlertRule writes a stored alert rule, or replaces the one with the name.
func (s *Store) SetAlertRule(ctx context.Context, name, text string) error {
	if err := s.ready(ctx, creates); err != nil {
		return s.fail(ctx, "set an alert rule", err)
	}
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		set := func(tx *redis.Tx) error {
			n, err := tx.HLen(ctx, s.alertRules()).Result()
			if err != nil {
				return err
			}
			known, err := tx.HExists(ctx, s.alertRules(), name).Result()
			if err != nil {
				return err
			}
			if n >= maxAlertRules && !known {
				return ErrTooManyAlertRules
			}
			var wrote *redis.IntCmd
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				wrote = p.HSet(ctx, s.alertRules(), name, text)
				return nil
			})
			// The error of the command says why the transaction was aborted.
			if refused := wrote.Err(); err != nil && refused != nil && !errors.Is(err, redis.TxFailedErr) {
				return refused
			}
			return err
		}
		for {
			// Another client may set a rule meanwhile.
			if err := rdb.Watch(ctx, set, s.alertRules()); !errors.Is(err, redis.TxFailedErr) || ctx.Err() != nil {
				return err
			}
		}
	})
	return s.failRule(ctx, "set an alert rule", err)
}

// failRule is fail for a change of the stored alert rules, which the Redis user of a worker may only read.
func (s *Store) failRule(ctx context.Context, doing string, err error) error {
	if err != nil && refusedKey.MatchString(err.Error()) {
		return advise(deniedError{"this user may not write the alert rules of pool " + s.pool, err}, "use the Redis user of an operator: "+usersPage)
	}
	return s.fail(ctx, doing, err)
}

// RemoveAlertRule removes a stored alert rule. It returns false if there is none.
func (s *Store) RemoveAlertRule(ctx context.Context, name string) (found bool, err error) {
	if err := s.ready(ctx, writes); err != nil {
		return false, s.fail(ctx, "remove an alert rule", err)
	}
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		n, err := rdb.HDel(ctx, s.alertRules(), name).Result()
		found = found || n > 0 // the call may be repeated
		return err
	})
	return found, s.failRule(ctx, "remove an alert rule", err)
}
