package redisstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// Get reads tasks; the answer has nil where there is none. One that cannot be
// read in full comes with Broken set.
func (s *Store) Get(ctx context.Context, ids ...string) ([]*worker.Task, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, nil
	}
	p := s.rdb.Pipeline()
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		cmds[i] = p.HGetAll(ctx, s.key("task:", id))
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, s.fail(ctx, "get", err)
	}
	tasks := make([]*worker.Task, len(ids))
	for i, cmd := range cmds {
		h := cmd.Val()
		if len(h) == 0 {
			continue
		}
		flat := make([]string, 0, 2*len(h))
		for name, v := range h {
			flat = append(flat, name, v)
		}
		tasks[i] = decodeTask(ids[i], flat)
	}
	return tasks, nil
}

// briefFields are those that decodeTask knows, but for payload, headers and result.
var briefFields = []string{"kind", "queue", "state", "priority", "group", "unique", "attempt", "run", "failures", "lost",
	"generation", "v", "created_at", "due_at", "ended_at", "expires_at", "deadline_at", "timeout_ms", "max_attempts",
	"backoff", "retain_ms", "progress", "code", "error", "stop"}

// brief is Get without payload, headers and result.
func (s *Store) brief(ctx context.Context, ids []string) ([]*worker.Task, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	p := s.rdb.Pipeline()
	cmds := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		cmds[i] = p.HMGet(ctx, s.key("task:", id), briefFields...)
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, s.fail(ctx, "get", err)
	}
	tasks := make([]*worker.Task, len(ids))
	for i, cmd := range cmds {
		var flat []string
		for j, v := range cmd.Val() {
			if text, ok := v.(string); ok {
				flat = append(flat, briefFields[j], text)
			}
		}
		if len(flat) > 0 {
			tasks[i] = decodeTask(ids[i], flat)
		}
	}
	return tasks, nil
}

// attemptRecord is the stored form of a worker.AttemptRecord.
type attemptRecord struct {
	Attempt int64       `json:"attempt"`
	Code    worker.Code `json:"code"`
	At      int64       `json:"at"`
	RunMS   int64       `json:"run_ms"`
	Replica string      `json:"replica"`
	Error   string      `json:"error"`
	Log     string      `json:"log"`
}

// History reads the failed and lost attempts of a task, oldest first.
func (s *Store) History(ctx context.Context, id string) ([]worker.AttemptRecord, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	entries, err := s.rdb.LRange(ctx, s.key("history:", id), 0, -1).Result()
	if err != nil {
		return nil, s.fail(ctx, "history", err)
	}
	records := make([]worker.AttemptRecord, len(entries))
	for i, e := range entries {
		var a attemptRecord
		if err := json.Unmarshal([]byte(e), &a); err != nil {
			return nil, s.fail(ctx, "history", err)
		}
		records[i] = worker.AttemptRecord{Attempt: a.Attempt, Code: a.Code, At: time.UnixMilli(a.At),
			Run: time.Duration(a.RunMS) * time.Millisecond, Replica: a.Replica, Error: a.Error, Log: a.Log}
	}
	return records, nil
}
