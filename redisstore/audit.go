package redisstore

import (
	"context"
	"strconv"

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
	records, err := s.history(ctx, s.auditKey(refused), "the audit stream", before, limit)
	all := make([]task.AuditEntry, len(records))
	for i, r := range records {
		all[i] = task.AuditEntry{ID: r.id, At: r.at, User: r.text("user"), Method: r.text("method"), Action: r.text("action"), Target: r.text("target"),
			Count: r.number("count"), Reason: r.text("reason"), Of: r.text("of"), Done: r.number("done"), Error: r.text("error")}
	}
	return all, err
}
