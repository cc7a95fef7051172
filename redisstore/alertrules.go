package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// maxAlertRules bounds the stored alert rules of a pool.
const maxAlertRules = 100

// ErrTooManyAlertRules is returned by SetAlertRule for a rule beyond the bound.
var ErrTooManyAlertRules = fmt.Errorf("a pool has at most %d stored alert rules: remove one", maxAlertRules)

// SetAlertRule writes the stored alert rule with the name and the entry of the history that change
// returns, in one step. It may call change several times, and returns its error.
func (s *Store) SetAlertRule(ctx context.Context, name string, change task.AlertRuleChange) error {
	return s.changeAlertRule(ctx, "set an alert rule", creates, name, change)
}

// RemoveAlertRule removes the stored alert rule with the name, and writes the entry of the history that
// change returns, in one step. It may call change several times, and returns its error. The text of
// change is not used.
func (s *Store) RemoveAlertRule(ctx context.Context, name string, change task.AlertRuleChange) error {
	return s.changeAlertRule(ctx, "remove an alert rule", writes, name, func(rules map[string]string, now time.Time) (string, task.AlertLogEntry, error) {
		_, entry, err := change(rules, now)
		return "", entry, err
	})
}

// changeAlertRule writes a stored alert rule, or removes it if its new text is empty.
func (s *Store) changeAlertRule(ctx context.Context, doing string, need need, name string, change task.AlertRuleChange) error {
	if err := s.ready(ctx, need); err != nil {
		return s.fail(ctx, doing, err)
	}
	var refused error // by change
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		do := func(tx *redis.Tx) error {
			rules, err := tx.HGetAll(ctx, s.alertRules()).Result()
			if err != nil {
				return err
			}
			now, err := tx.Time(ctx).Result()
			if err != nil {
				return err
			}
			// A transaction would write the rule also if the history has a wrong type.
			if err := tx.XRevRangeN(ctx, s.key("alerts:log"), "+", "-", 1).Err(); err != nil {
				return err
			}
			var text string
			var entry task.AlertLogEntry
			if text, entry, refused = change(rules, now); refused != nil {
				return refused
			}
			if _, known := rules[name]; text != "" && len(rules) >= maxAlertRules && !known {
				return ErrTooManyAlertRules
			}
			var wrote *redis.IntCmd
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				if text == "" {
					wrote = p.HDel(ctx, s.alertRules(), name)
				} else {
					wrote = p.HSet(ctx, s.alertRules(), name, text)
				}
				p.XAdd(ctx, s.alertEntry(entry))
				return nil
			})
			// The error of the command says why the transaction was aborted.
			if failed := wrote.Err(); err != nil && failed != nil && !errors.Is(err, redis.TxFailedErr) {
				return failed
			}
			return err
		}
		for {
			// Another client may change a rule meanwhile.
			if err := rdb.Watch(ctx, do, s.alertRules()); !errors.Is(err, redis.TxFailedErr) || ctx.Err() != nil {
				return err
			}
		}
	})
	if refused != nil {
		return refused
	}
	return s.failRule(ctx, doing, err)
}

// failRule is fail for a change of the stored alert rules, which the Redis user of a worker may only read.
func (s *Store) failRule(ctx context.Context, doing string, err error) error {
	if err != nil && refusedKey.MatchString(err.Error()) {
		return advise(deniedError{"this user may not write the alert rules of pool " + s.pool, err}, "use the Redis user of an operator: "+usersPage)
	}
	return s.fail(ctx, doing, err)
}
