package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// The limits of the inbox.
const (
	// MaxEntry is the size in bytes up to which an inbox entry can become a task.
	MaxEntry = 2 << 20
	// MaxRejected is how many entries inbox:rejected keeps, about.
	MaxRejected = 10_000

	maxReason       = 8192 // bytes
	inboxBatch      = 200
	inboxBatchBytes = 2 << 20
)

// AwaitInbox blocks until the inbox has an entry. The first is moved to
// inbox:open, which wakes one replica per entry and loses none: whoever admits
// next takes it from there.
func (s *Store) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	found := false
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error {
		err := rdb.BLMove(ctx, s.key("inbox"), s.key("inbox:open"), "LEFT", "RIGHT", max(wait, time.Second)).Err()
		found = err == nil
		return err
	})
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return found, s.fail(ctx, "await inbox", err)
}

// AdmitInbox turns one batch of inbox entries into tasks or rejects.
func (s *Store) AdmitInbox(ctx context.Context) (more bool, err error) {
	if err := s.knowsSchema(ctx); err != nil {
		return false, s.fail(ctx, "admit inbox", err)
	}
	reply, err := s.run(ctx, peekScript, inboxBatch, inboxBatchBytes, MaxEntry, MaxRejected)
	if err != nil {
		return false, s.fail(ctx, "peek into inbox", err)
	}
	r := readReply("peek", reply)
	fromOpen := r.int()
	entries := r.strings()
	if r.err != nil || len(entries) == 0 {
		return false, r.err
	}

	l := s.takeLane()
	defer s.putLane(l)
	l.call++
	args := []any{l.name + ":inbox", l.call, fromOpen, len(entries), MaxRejected}
	for _, entry := range entries {
		if args, err = appendEntry(args, entry); err != nil {
			return false, err
		}
	}
	reply, err = s.run(ctx, inboxScript, args...)
	if err != nil {
		return false, s.fail(ctx, "admit inbox", err)
	}
	r = readSingle("admit inbox", reply)
	return r.int() != 0, r.err
}

// appendEntry adds what the inbox script wants to know of an entry.
func appendEntry(args []any, entry string) ([]any, error) {
	spec, at, err := parseEntry([]byte(entry))
	if err != nil {
		return append(args, entry, reason(err)), nil
	}
	made := spec.ID == ""
	if made {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		spec.ID = id.String()
	}
	return appendSpec(append(args, entry, "", at+1, at+len(spec.Payload)), markMade(spec.ID, made), &spec)
}

// reason is what inbox:rejected says of an error: one line that is not too long.
func reason(err error) string {
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ToValidUTF8(line[:min(len(line), maxReason)], "")
}

// Rejected reads up to limit of the newest rejects, newest first.
func (s *Store) Rejected(ctx context.Context, limit int) ([]Reject, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	entries, err := s.rdb.XRevRangeN(ctx, s.key("inbox:rejected"), "+", "-", int64(limit)).Result()
	if err != nil {
		return nil, s.fail(ctx, "rejected", err)
	}
	rejects := make([]Reject, len(entries))
	for i, e := range entries {
		field := func(name string) string {
			text, _ := e.Values[name].(string)
			return text
		}
		rejects[i] = Reject{Cursor: e.ID, Code: field("code"), Reason: field("reason"), Task: field("task"), Entry: field("entry")}
	}
	return rejects, nil
}

// Reject is an inbox entry that could not become a task.
type Reject struct {
	Cursor string // its place in the stream inbox:rejected
	Code   string // "invalid", "duplicate" or "queue_full"
	Reason string // everything that is wrong with it
	Task   string // of a duplicate: the id of the task that has its id or unique key
	Entry  string // its first 16 KiB
}
