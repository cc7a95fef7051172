package redisstore

import (
	"context"
	"encoding/json"
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
		return "0", s.fail("last event", err)
	}
	return last[0].ID, nil
}

// ReadEvents reads up to max events after the cursor and waits up to wait for
// the first.
func (s *Store) ReadEvents(ctx context.Context, after string, max int, wait time.Duration) ([]worker.Event, error) {
	if _, _, err := splitCursor(after); err != nil {
		return nil, err
	}
	if wait < time.Millisecond {
		wait = -1 // do not block: a zero would block for ever
	}
	var streams []redis.XStream
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XRead(ctx, &redis.XReadArgs{
			Streams: []string{s.key("events"), after}, Count: int64(max), Block: wait,
		}).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, s.fail("read events", err)
	}
	// Looked at after reading: what was trimmed before is known by now.
	if err := s.trimmedAfter(ctx, after); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, nil
	}
	return decodeEvents(streams[0].Messages)
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
		return s.fail("read events", err)
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

// RecentEvents reads up to max events before the cursor, "" for the end, newest
// first.
func (s *Store) RecentEvents(ctx context.Context, before string, max int) ([]worker.Event, error) {
	if err := s.checkName(); err != nil {
		return nil, err
	}
	from := "+"
	if before != "" {
		from = "(" + before
	}
	messages, err := s.rdb.XRevRangeN(ctx, s.key("events"), from, "-", int64(max)).Result()
	if err != nil {
		return nil, s.fail("recent events", err)
	}
	return decodeEvents(messages)
}

func decodeEvents(messages []redis.XMessage) ([]worker.Event, error) {
	events := make([]worker.Event, len(messages))
	for i, m := range messages {
		e, err := decodeEvent(m.ID, m.Values)
		if err != nil {
			return nil, err
		}
		events[i] = e
	}
	return events, nil
}

func decodeEvent(cursor string, values map[string]any) (worker.Event, error) {
	e := worker.Event{Cursor: cursor}
	var err error
	for name, value := range values {
		v, _ := value.(string)
		integer := func() int64 {
			n, e := strconv.ParseInt(v, 10, 64)
			if e != nil && err == nil {
				err = fmt.Errorf("event %s: field %s is %q, not a whole number", cursor, name, clipName(v))
			}
			return n
		}
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
			e.Attempt = integer()
		case "v":
			e.Version = integer()
		case "replica":
			e.Replica = v
		case "at":
			e.At = time.UnixMilli(integer())
		case "wait_ms":
			e.Wait = time.Duration(integer()) * time.Millisecond
		case "run_ms":
			e.Run = time.Duration(integer()) * time.Millisecond
		case "error":
			e.Error = v
		case "meta":
			if jerr := json.Unmarshal([]byte(v), &e.Meta); jerr != nil && err == nil {
				err = fmt.Errorf("event %s: field meta: %w", cursor, jerr)
			}
		case "result_bytes":
			e.ResultBytes = int(integer())
		case "result":
			e.Result = []byte(v)
		}
	}
	return e, err
}
