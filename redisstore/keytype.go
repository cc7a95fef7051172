package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// keyTypes are the keys that every script may come across. One of another type
// stops the scripts, so these are looked at without one.
var keyTypes = map[string]string{
	"events": "stream", "meta": "hash", "stats": "hash", "queues": "set", "replicas": "zset", "inbox": "list", "inbox:open": "list",
	"inbox:rejected": "stream", "scheduled": "zset", "expiring": "zset", "ended:succeeded": "zset", "ended:failed": "zset",
	"ended:stopped": "zset", "ended:expired": "zset",
}

// queueKeyTypes are the same for each queue.
var queueKeyTypes = map[string]string{
	"wait:": "zset", "running:": "zset", "group:wait:": "zset", "group:head:": "hash", "wake:": "list",
}

// wrongTypes finds keys that scripts stumble over, and moves them out of the way
// where it is told to.
func (s *Store) wrongTypes(ctx context.Context, fix bool) ([]worker.Finding, error) {
	want := make(map[string]string, len(keyTypes))
	for name, t := range keyTypes {
		want[name] = t
	}
	queues, err := s.rdb.SMembers(ctx, s.key("queues")).Result()
	if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil, err
	}
	for _, q := range queues {
		for name, t := range queueKeyTypes {
			want[name+q] = t
		}
	}
	p := s.rdb.Pipeline()
	types := make(map[string]*redis.StatusCmd, len(want))
	for name := range want {
		types[name] = p.Type(ctx, s.key(name))
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, err
	}
	var findings []worker.Finding
	for name, cmd := range types {
		is := cmd.Val()
		if is == "none" || is == want[name] {
			continue
		}
		fixed := ""
		if fix {
			if fixed, err = s.quarantine(ctx, name, want[name]); err != nil {
				return findings, err
			}
		}
		findings = append(findings, damage("wrong_type", s.key(name), "", is, fixed))
	}
	return findings, nil
}

// quarantine moves a key that is still not of the wanted type out of the way.
func (s *Store) quarantine(ctx context.Context, name, want string) (string, error) {
	from, to := s.key(name), s.key("broken:", name)
	fixed := ""
	move := func(tx *redis.Tx) error {
		fixed = ""
		is, err := tx.Type(ctx, from).Result()
		if err != nil || is == want || is == "none" {
			return err
		}
		if taken, err := tx.Exists(ctx, to).Result(); err != nil {
			return err
		} else if taken > 0 {
			now, err := tx.Time(ctx).Result()
			if err != nil {
				return err
			}
			to = fmt.Sprintf("%s:%d", s.key("broken:", name), now.UnixMilli())
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Rename(ctx, from, to).Err() })
		fixed = "moved to " + to
		return err
	}
	err := s.rdb.Watch(ctx, move, from)
	if err == redis.TxFailedErr { // somebody is at work on it: a later look decides
		return "", nil
	}
	return fixed, err
}

// isWrongType reports whether a script stumbled over a key of a wrong type.
func isWrongType(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }
