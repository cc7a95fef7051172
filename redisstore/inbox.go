package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// AwaitInbox waits until the inbox has an entry, for wait or a second, whichever is
// longer. It reports whether there is one. It moves the first entry to inbox:open, so
// that each entry wakes one replica. The next admission takes the entry from there.
func (s *Store) AwaitInbox(ctx context.Context, wait time.Duration) (bool, error) {
	return s.awaitList(ctx, "inbox", wait)
}

// awaitList waits until a list has an entry, and moves it to NAME:open.
func (s *Store) awaitList(ctx context.Context, name string, wait time.Duration) (found bool, err error) {
	err = s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) error {
		err := rdb.BLMove(ctx, s.key(name), s.key(name, ":open"), "LEFT", "RIGHT", max(wait, time.Second)).Err()
		found = err == nil
		return err
	})
	return found, s.fail(ctx, "await "+name, ignoreNil(err))
}

// peek reads a batch of entries of a list, and how many of them are from NAME:open.
func (s *Store) peek(ctx context.Context, name string) (fromOpen int64, entries []string, err error) {
	reply, err := s.run(ctx, peekScript, inboxBatch, inboxBatchBytes, MaxEntry, MaxRejected, name)
	if err != nil {
		return 0, nil, s.fail(ctx, "peek into "+name, err)
	}
	r := readReply("peek", reply)
	fromOpen = r.int()
	return fromOpen, r.strings(), r.err
}

// AdmitInbox turns one batch of inbox entries into tasks or rejects. more reports whether
// the inbox may have further entries. queues has the queues of kinds for entries that name
// none.
func (s *Store) AdmitInbox(ctx context.Context, queues map[string]string) (more bool, err error) {
	fromOpen, entries, err := s.peek(ctx, "inbox")
	if err != nil || len(entries) == 0 {
		return false, err
	}

	seq := s.takeSequence()
	defer s.putSequence(seq)
	seq.call++
	args := []any{seq.name + ":inbox", seq.call, fromOpen, len(entries), MaxRejected}
	made := newIDs(len(entries))
	for i := range entries {
		args = appendEntry(args, entries[i], made[i], queues)
	}
	reply, err := s.run(ctx, inboxScript, args...)
	if err != nil {
		return false, s.fail(ctx, "admit inbox", err)
	}
	r := readSingle("admit inbox", reply)
	return r.int() != 0, r.err
}

// appendEntry appends the arguments of the inbox script for an entry. made is the id of its
// task if the entry has none, queues the queue of its kind.
func appendEntry(args []any, entry, made string, queues map[string]string) []any {
	spec, at, err := parseEntry([]byte(entry))
	if err != nil {
		reply := ""
		if spec.Reply && task.CheckName(spec.ID) == nil {
			reply = spec.ID
		}
		return append(args, entry, reason(err), reply)
	}
	if spec.Queue == "" {
		spec.Queue = queues[spec.Kind]
	}
	if next := spec.Then; next != nil && next.Queue == "" {
		next.Queue = queues[next.Kind]
	}
	sh := shapeOf(&spec)
	args = sh.appendTo(append(args, entry, "", at+1, at+len(spec.Payload)))
	if spec.ID == "" {
		spec.ID = made
	}
	return append(args, spec.ID)
}

// reason returns the text of an error for inbox:rejected: one line of at most maxReason
// bytes.
func reason(err error) string {
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ToValidUTF8(line[:min(len(line), maxReason)], "")
}
