package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// LastEvent is the cursor of the newest event, "0" where there is none.
func (s *Store) LastEvent(ctx context.Context) (string, error) {
	if err := s.checkName(); err != nil {
		return "", err
	}
	last, err := s.rdb.XRevRangeN(ctx, s.key("events"), "+", "-", 1).Result()
	if err != nil || len(last) == 0 {
		return "0", s.fail(ctx, "last event", err)
	}
	return last[0].ID, nil
}

// ReadEvents reads up to limit events after the cursor and waits up to wait for
// the first.
func (s *Store) ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]worker.Event, error) {
	if _, _, err := splitCursor(after); err != nil {
		return nil, err
	}
	if wait < time.Millisecond {
		wait = -1 // do not block: a zero would block for ever
	}
	var streams []redis.XStream
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XRead(ctx, &redis.XReadArgs{
			Streams: []string{s.key("events"), after}, Count: int64(limit), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, s.fail(ctx, "read events", err)
	}
	// Looked at after reading: what was trimmed before is known by now.
	if err := s.trimmedAfter(ctx, after); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, nil
	}
	return decodeEvents(streams[0].Messages), nil
}

// trimmedAfter is a TrimmedError where events after the cursor are gone.
func (s *Store) trimmedAfter(ctx context.Context, after string) error {
	if after == "0" || after == "0-0" {
		return nil
	}
	trimmed, err := s.rdb.HGet(ctx, s.key("meta"), "events:trimmed").Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return s.fail(ctx, "read events", err)
	}
	before, err := cursorBefore(after, trimmed)
	if err != nil {
		return err
	}
	if before {
		return &worker.TrimmedError{After: after, Next: "0"}
	}
	return nil
}

// cursorBefore compares two positions of a stream, "MS-SEQ" or "MS".
func cursorBefore(a, b string) (bool, error) {
	ams, aseq, err := splitCursor(a)
	if err != nil {
		return false, err
	}
	bms, bseq, err := splitCursor(b)
	if err != nil {
		return false, err
	}
	return ams < bms || ams == bms && aseq < bseq, nil
}

func splitCursor(c string) (ms, seq uint64, err error) {
	first, second, found := strings.Cut(c, "-")
	ms, err = strconv.ParseUint(first, 10, 64)
	if err == nil && found {
		seq, err = strconv.ParseUint(second, 10, 64)
	}
	if err != nil {
		return 0, 0, &worker.FieldError{Field: "cursor", Msg: fmt.Sprintf(`must be the cursor of an event, such as "1700000000000-0", not %q`, clipName(c))}
	}
	return ms, seq, nil
}

// RecentEvents reads up to limit events before the cursor, "" for the end, newest
// first.
func (s *Store) RecentEvents(ctx context.Context, before string, limit int) ([]worker.Event, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	from := "+"
	if before != "" {
		from = "(" + before
	}
	messages, err := s.rdb.XRevRangeN(ctx, s.key("events"), from, "-", int64(limit)).Result()
	if err != nil {
		return nil, s.fail(ctx, "recent events", err)
	}
	return decodeEvents(messages), nil
}

func decodeEvents(messages []redis.XMessage) []worker.Event {
	events := make([]worker.Event, len(messages))
	for i, m := range messages {
		events[i] = decodeEvent(m.ID, m.Values)
	}
	return events
}

// decodeEvent reads an event from the fields of its entry. Fields it does not know
// are left alone. What it cannot read is left out and told in Broken: one entry
// that another program added must not hold up those who read on.
func decodeEvent(cursor string, values map[string]any) worker.Event {
	e := worker.Event{Cursor: cursor}
	f := fieldReader{what: "event", id: cursor}
	for name, value := range values {
		v, _ := value.(string)
		switch name {
		case "id":
			e.ID = v
		case "kind":
			e.Kind = v
		case "queue":
			e.Queue = v
		case "state":
			e.State = worker.State(v)
		case "code":
			e.Code = worker.Code(v)
		case "attempt":
			e.Attempt = f.count(name, v)
		case "v":
			e.Version = f.count(name, v)
		case "replica":
			e.Replica = v
		case "at":
			e.At = f.moment(name, v)
		case "wait_ms":
			e.Wait = f.elapsed(name, v)
		case "run_ms":
			e.Run = f.elapsed(name, v)
		case "error":
			e.Error = v
		case "meta":
			e.Meta = f.headers(name, v)
		case "result_bytes":
			e.ResultBytes = int(f.count(name, v))
		case "result":
			e.Result = []byte(v)
		}
	}
	if e.ID == "" {
		f.fail("id", errors.New("is missing"))
	}
	e.Broken = f.broken
	return e
}
