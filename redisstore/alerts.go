package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// maxAlertLog is how many entries the history of messages keeps about.
	maxAlertLog = 1000
	// maxAlertText bounds a text of an entry of the history, in bytes.
	maxAlertText = 1024
)

func (s *Store) alertLock() string { return s.key("lock:alerts") }

// alertRules is the key of the stored rules. The Redis user of a worker may write all keys of the pool
// but those that begin with "d": see the ACL users in docs/operations.md.
func (s *Store) alertRules() string { return s.key("definitions:alerts") }

// Running reads the counts of the pool and running tasks of the same instant, as Snapshot.
func (s *Store) Running(ctx context.Context, n int) (task.Stats, []*task.Task, time.Time, error) {
	snap, err := s.Snapshot(ctx, n)
	return snap.Stats, snap.Running, snap.At, err
}

// HoldAlerts takes the lease with which a process runs the alert rules of the pool, or extends that
// of the same owner. It returns false if another process has it.
func (s *Store) HoldAlerts(ctx context.Context, owner string, lease time.Duration) (bool, error) {
	if err := s.ready(ctx, writes); err != nil {
		return false, s.fail(ctx, "hold the alert rules", err)
	}
	_, err := redislock.Obtain(ctx, s.rdb, s.alertLock(), lease, &redislock.Options{Token: owner})
	if errors.Is(err, redislock.ErrNotObtained) {
		// A clock that went back may leave a lease that ends too late.
		left, failed := s.rdb.PTTL(ctx, s.alertLock()).Result()
		if failed == nil && (left == -1 || left > lease) {
			failed = s.rdb.Del(ctx, s.alertLock()).Err()
		}
		return false, s.fail(ctx, "hold the alert rules", failed)
	}
	return err == nil, s.fail(ctx, "hold the alert rules", err)
}

// errNotHeld is returned inside of a transaction of a process that has lost the lease.
var errNotHeld = errors.New("another process runs the alert rules")

// ifOwner makes the writes of do in one step, if owner has the lease of the alert rules. prepare
// is called before, and do must only use what it has read.
func (s *Store) ifOwner(ctx context.Context, owner string, prepare func(tx *redis.Tx) error, do func(p redis.Pipeliner)) (held bool, err error) {
	// The transaction fails if the owner extends its lease meanwhile.
	for n := 0; n == 0 || n < 100 && errors.Is(err, redis.TxFailedErr) && ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(n) * time.Millisecond) // the other call ends
		held, err = s.tryIfOwner(ctx, owner, prepare, do)
	}
	if errors.Is(err, errNotHeld) {
		return false, nil
	}
	return held, err
}

func (s *Store) tryIfOwner(ctx context.Context, owner string, prepare func(tx *redis.Tx) error, do func(p redis.Pipeliner)) (held bool, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		return rdb.Watch(ctx, func(tx *redis.Tx) error {
			has, err := tx.Get(ctx, s.alertLock()).Result()
			if err = ignoreNil(err); err != nil {
				return err
			}
			if has != owner {
				return errNotHeld
			}
			if err := prepare(tx); err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { do(p); return nil })
			return err
		}, s.alertLock())
	})
	return err == nil, err
}

// ExtendAlerts extends the lease of owner. It returns false if the lease has ended: another process
// may have had it meanwhile.
func (s *Store) ExtendAlerts(ctx context.Context, owner string, lease time.Duration) (held bool, err error) {
	held, err = s.ifOwner(ctx, owner, func(*redis.Tx) error { return nil }, func(p redis.Pipeliner) { p.PExpire(ctx, s.alertLock(), lease) })
	return held, s.fail(ctx, "hold the alert rules", err)
}

// ReleaseAlerts ends the lease of owner, so that another process takes the rules over at once.
func (s *Store) ReleaseAlerts(ctx context.Context, owner string) error {
	_, err := s.ifOwner(ctx, owner, func(*redis.Tx) error { return nil }, func(p redis.Pipeliner) { p.Del(ctx, s.alertLock()) })
	return s.fail(ctx, "release the alert rules", err)
}

// ReadAlerts reads the records of the alert rules. If another program has overwritten the stored rules,
// they are one rule with that problem.
func (s *Store) ReadAlerts(ctx context.Context) (r task.AlertRecords, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		now, fields, silences, owner := p.Time(ctx), p.HGetAll(ctx, s.key("alerts")), p.HGetAll(ctx, s.key("silences")), p.Get(ctx, s.alertLock())
		rules := p.HGetAll(ctx, s.alertRules())
		_, _ = p.Exec(ctx) // each command has its error
		for _, c := range []redis.Cmder{now, fields, silences, owner, rules} {
			if err := ignoreNil(c.Err()); err != nil && (c != rules || !isWrongType(err)) {
				return err
			}
		}
		r = task.AlertRecords{Now: now.Val(), Fields: fields.Val(), Silences: silences.Val(), Rules: rules.Val(), Owner: owner.Val()}
		if rules.Err() != nil {
			// Rules of files go on. A rule that cannot be read shows the problem.
			r.Rules = map[string]string{s.alertRules(): `{"problem":"another program has overwritten this key with one of another type: delete it"}`}
		}
		return nil
	})
	return r, s.fail(ctx, "read the alerts", err)
}

// WriteAlerts changes the records in one step. It returns false and changes nothing if owner does
// not have the lease.
func (s *Store) WriteAlerts(ctx context.Context, owner string, w task.AlertWrite) (held bool, err error) {
	free := map[string]int64{} // by receiver
	held, err = s.ifOwner(ctx, owner, func(tx *redis.Tx) error {
		lengths := map[string]*redis.IntCmd{}
		_, err := tx.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, n := range w.Notices {
				if lengths[n.Receiver] == nil {
					lengths[n.Receiver] = p.LLen(ctx, s.key("notices:", n.Receiver))
				}
			}
			return nil
		})
		for receiver, length := range lengths {
			free[receiver] = task.MaxAlertNotices - length.Val()
		}
		return err
	}, func(p redis.Pipeliner) { s.writeAlerts(ctx, p, w, free) })
	return held, s.fail(ctx, "write the alerts", err)
}

func (s *Store) writeAlerts(ctx context.Context, p redis.Pipeliner, w task.AlertWrite, free map[string]int64) {
	if len(w.Remove) > 0 {
		p.HDel(ctx, s.key("alerts"), w.Remove...)
	}
	if len(w.Set) > 0 {
		p.HSet(ctx, s.key("alerts"), w.Set)
	}
	if len(w.Unsilent) > 0 {
		p.HDel(ctx, s.key("silences"), w.Unsilent...)
	}
	for receiver, n := range w.Taken {
		p.LTrim(ctx, s.key("notices:", receiver), int64(n), -1)
	}
	for receiver, counts := range w.Counted {
		for field, n := range counts {
			p.HIncrBy(ctx, s.key("overflow:", receiver), field, -n)
		}
	}
	for _, n := range w.Notices {
		if n.Only > 0 {
			p.HIncrBy(ctx, s.key("overflow:", n.Receiver), n.Count, int64(n.Only))
		} else if free[n.Receiver]--; free[n.Receiver] >= 0 {
			p.RPush(ctx, s.key("notices:", n.Receiver), n.Text)
		} else {
			p.HIncrBy(ctx, s.key("overflow:", n.Receiver), n.Count, 1)
		}
	}
	for receiver, text := range w.Sending {
		if text == "" {
			p.Del(ctx, s.key("sending:", receiver))
		} else {
			p.Set(ctx, s.key("sending:", receiver), text, 0)
		}
	}
	for _, e := range w.Log {
		p.XAdd(ctx, s.alertEntry(e))
	}
}

func (s *Store) alertEntry(e task.AlertLogEntry) *redis.XAddArgs {
	var values []any
	for _, f := range []struct{ name, value string }{
		{"what", e.What}, {"receiver", e.Receiver}, {"message", e.Message}, {"text", e.Text}, {"error", e.Error},
		{"alerts", strconv.Itoa(e.Alerts)}, {"tries", strconv.Itoa(e.Tries)},
	} {
		if f.value != "" && f.value != "0" {
			values = append(values, f.name, task.CutHead(f.value, maxAlertText))
		}
	}
	return &redis.XAddArgs{Stream: s.key("alerts:log"), MaxLen: maxAlertLog, Approx: true, Values: values}
}

// LogAlert appends an entry to the history of messages and silences.
func (s *Store) LogAlert(ctx context.Context, e task.AlertLogEntry) error {
	err := s.commands(ctx, func(rdb redis.UniversalClient) error { return rdb.XAdd(ctx, s.alertEntry(e)).Err() })
	return s.fail(ctx, "write the history of alerts", err)
}

// AlertLog reads up to limit entries of the history before an ID, "" for the newest, newest first.
func (s *Store) AlertLog(ctx context.Context, before string, limit int) ([]task.AlertLogEntry, error) {
	records, err := s.history(ctx, s.key("alerts:log"), "the history of alerts", before, limit)
	all := make([]task.AlertLogEntry, len(records))
	for i, r := range records {
		all[i] = task.AlertLogEntry{ID: r.id, At: r.at, What: r.text("what"), Receiver: r.text("receiver"), Message: r.text("message"),
			Text: r.text("text"), Error: r.text("error"), Alerts: r.number("alerts"), Tries: r.number("tries")}
	}
	return all, err
}

// AlertQueue reads the queue of a receiver.
func (s *Store) AlertQueue(ctx context.Context, receiver string) (q task.AlertQueue, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		p := rdb.Pipeline()
		list, sending := p.LRange(ctx, s.key("notices:", receiver), 0, task.MaxAlertNotices+100), p.Get(ctx, s.key("sending:", receiver))
		overflow := p.HGetAll(ctx, s.key("overflow:", receiver))
		if _, err := p.Exec(ctx); ignoreNil(err) != nil {
			return err
		}
		q = task.AlertQueue{Notices: list.Val(), Sending: sending.Val(), Overflow: map[string]int64{}}
		for field, text := range overflow.Val() {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
				q.Overflow[field] = n
			}
		}
		return nil
	})
	return q, s.fail(ctx, "read the queue of a receiver", err)
}

// PushNotice appends a notice to the queue of a receiver. The process that runs the rules sends
// it. PushNotice returns false if the queue is full.
func (s *Store) PushNotice(ctx context.Context, receiver, text string) (pushed bool, err error) {
	if err := s.ready(ctx, writes); err != nil {
		return false, s.fail(ctx, "send a notice", err)
	}
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		key := s.key("notices:", receiver)
		length, err := rdb.LLen(ctx, key).Result()
		if err != nil || length >= task.MaxAlertNotices {
			return err
		}
		pushed = true
		return rdb.RPush(ctx, key, text).Err()
	})
	return pushed && err == nil, s.fail(ctx, "send a notice", err)
}

// maxSilences bounds the silences of a pool.
const maxSilences = 500

// ErrTooManySilences is returned by SetSilence for a silence beyond the bound.
var ErrTooManySilences = errors.New("there are too many silences: remove some")

// SetSilence writes a silence of alerts, and replaces the one with the id.
func (s *Store) SetSilence(ctx context.Context, id, text string) error {
	if err := s.ready(ctx, writes); err != nil {
		return s.fail(ctx, "silence", err)
	}
	err := s.commands(ctx, func(rdb redis.UniversalClient) error {
		n, err := rdb.HLen(ctx, s.key("silences")).Result()
		if err != nil {
			return err
		}
		if known := rdb.HExists(ctx, s.key("silences"), id); n >= maxSilences && !known.Val() {
			return ErrTooManySilences
		}
		return rdb.HSet(ctx, s.key("silences"), id, text).Err()
	})
	return s.fail(ctx, "silence", err)
}
