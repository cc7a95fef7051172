package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// maxAudit is how many entries the audit stream keeps about, and also that of the refusals.
const maxAudit = 10_000

// maxAuditText bounds each text of an entry, in bytes.
const maxAuditText = 1024

// Audit appends an entry to the audit stream and returns its ID. Texts of more than 1 KiB are
// cut at a rune and end with "…". refused entries have a stream of their own, so that they
// cannot push actions out.
func (s *Store) Audit(ctx context.Context, e task.AuditEntry, refused bool) (id string, err error) {
	values := auditValues(e)
	err = s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		id, err = rdb.XAdd(ctx, &redis.XAddArgs{Stream: s.auditKey(refused), MaxLen: maxAudit, Approx: true, Values: values}).Result()
		return err
	})
	if err != nil {
		return "", s.fail(ctx, "audit", err)
	}
	return id, nil
}

// auditValues returns the fields of an entry with their values.
func auditValues(e task.AuditEntry) (values []any) {
	add := func(name, value string) {
		if value != "" && value != "0" {
			values = append(values, name, task.CutHead(value, maxAuditText))
		}
	}
	add("user", e.User)
	add("method", e.Method)
	add("action", e.Action)
	add("target", e.Target)
	add("count", strconv.Itoa(e.Count))
	add("reason", e.Reason)
	add("of", e.Of)
	add("done", strconv.Itoa(e.Done))
	add("error", e.Error)
	return values
}

func (s *Store) auditKey(refused bool) string {
	if refused {
		return s.key("audit:refused")
	}
	return s.key("audit")
}

// AuditLog reads up to limit entries before an ID, "" for the newest, newest first.
func (s *Store) AuditLog(ctx context.Context, before string, limit int, refused bool) ([]task.AuditEntry, error) {
	end := "+"
	if before != "" {
		if _, _, err := splitCursor(before); err != nil {
			return nil, &task.FieldError{Field: "before", Msg: "is no position in the audit stream"}
		}
		end = "(" + before
	}
	var entries []redis.XMessage
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		entries, err = rdb.XRevRangeN(ctx, s.auditKey(refused), end, "-", int64(limit)).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, s.fail(ctx, "audit", err)
	}
	all := make([]task.AuditEntry, len(entries))
	for i, entry := range entries {
		text := func(name string) string {
			v, _ := entry.Values[name].(string)
			return v
		}
		number := func(name string) int {
			n, _ := strconv.Atoi(text(name))
			return n
		}
		ms, _, _ := splitCursor(entry.ID)
		all[i] = task.AuditEntry{ID: entry.ID, At: time.UnixMilli(int64(ms)), User: text("user"), Method: text("method"), Action: text("action"), Target: text("target"),
			Count: number("count"), Reason: text("reason"), Of: text("of"), Done: number("done"), Error: text("error")}
	}
	return all, nil
}
