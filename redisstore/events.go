package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// LastEvent returns the cursor of the newest entry, "0" if there is none.
func (s *Store) LastEvent(ctx context.Context) (string, error) {
	last, err := s.entriesBefore(ctx, "+", 1)
	if err != nil || len(last) == 0 {
		return "0", s.fail(ctx, "last event", err)
	}
	return last[0].ID, nil
}

func (s *Store) entriesBefore(ctx context.Context, from string, n int) (entries []redis.XMessage, err error) {
	err = s.commands(ctx, func(rdb redis.UniversalClient) error {
		entries, err = rdb.XRevRangeN(ctx, s.key("events"), from, "-", int64(n)).Result()
		return err
	})
	return entries, err
}

// ReadEvents reads up to limit events after the cursor. It waits up to wait for the first
// one. It reads whole entries, so the events may exceed the limit by up to 49. It returns
// a *task.TrimmedError if events after the cursor were trimmed.
func (s *Store) ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error) {
	if _, _, err := splitCursor(after); err != nil {
		return nil, err
	}
	if wait < time.Millisecond {
		wait = -1 // do not block: a zero would block forever
	}
	var streams []redis.XStream
	err := s.block(ctx, wait, func(ctx context.Context, rdb redis.UniversalClient, wait time.Duration) (err error) {
		streams, err = rdb.XRead(ctx, &redis.XReadArgs{
			Streams: []string{s.key("events"), after}, Count: s.entriesFor(limit), Block: wait,
		}).Result()
		return err
	})
	if err = ignoreNil(err); err != nil {
		return nil, s.fail(ctx, "read events", err)
	}
	// This comes after the read, so that it covers all entries trimmed before the read.
	if err := s.trimmedAfter(ctx, after); err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, nil
	}
	events, _ := s.decodeEntries(streams[0].Messages, limit)
	return events, nil
}

// RecentEvents reads up to limit events before the cursor, newest first. A cursor of ""
// is the end. It reads whole entries, so the events may exceed the limit by up to 49.
func (s *Store) RecentEvents(ctx context.Context, before string, limit int) ([]task.Event, error) {
	from := "+"
	if before != "" {
		from = "(" + before
	}
	entries, err := s.entriesBefore(ctx, from, int(s.entriesFor(limit)))
	if err != nil {
		return nil, s.fail(ctx, "recent events", err)
	}
	events, _ := s.decodeEntries(entries, limit)
	for first := 0; first < len(events); {
		n := 1
		for first+n < len(events) && events[first+n].Cursor == events[first].Cursor {
			n++
		}
		slices.Reverse(events[first : first+n])
		first += n
	}
	return events, nil
}

// entriesFor estimates, from the entries read last, how many entries have limit events.
func (s *Store) entriesFor(limit int) int64 {
	per := max(s.perEntry.Load(), 1)
	return min(max((int64(limit)+per-1)/per, 1), eventPage)
}

// decodeEntries decodes entries until there are at least limit events. It returns how
// many entries it decoded.
func (s *Store) decodeEntries(entries []redis.XMessage, limit int) (events []task.Event, n int) {
	for n < len(entries) && len(events) < limit {
		events = append(events, decodeEntry(entries[n].ID, entries[n].Values)...)
		n++
	}
	if n > 0 {
		s.perEntry.Store(int64(len(events) / n))
	}
	return events, n
}

// trimmedAfter returns a TrimmedError if events after the cursor were trimmed.
func (s *Store) trimmedAfter(ctx context.Context, after string) error {
	if after == "0" || after == "0-0" {
		return nil
	}
	trimmed, err := s.setting(ctx, "events:trimmed")
	if err != nil || trimmed == "" {
		return s.fail(ctx, "read events", err)
	}
	before, err := cursorBefore(after, trimmed)
	if err != nil {
		return err
	}
	if before {
		return &task.TrimmedError{After: after, Next: "0"}
	}
	return nil
}

// cursorBefore reports whether a is before b. Both are positions of a stream, "MS-SEQ" or
// "MS".
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
		return 0, 0, &task.FieldError{Field: "cursor", Msg: fmt.Sprintf(`must be the cursor of an event, such as "1700000000000-0", not %q`, clipName(c))}
	}
	return ms, seq, nil
}

// columns are the fields that have either one word for all events of an entry or one word
// for each; "-" means none. alone are the fields that only an entry of one event has.
var (
	columns = []string{"v", "attempt", "replica", "at", "wait_ms", "run_ms", "group"}
	alone   = []string{"error", "result", "result_bytes", "exported", "meta", "orphan", "then_id", "then_error"}
)

// decodeEntry reads the events of an entry: one per id, all with the entry's cursor. It
// ignores unknown fields. It sets Broken of an event for each field that it cannot read,
// and leaves that field zero: an entry of another program must not stop the readers. For
// an entry without ids it returns one event without an id, which may be about a trigger.
func decodeEntry(cursor string, values map[string]any) []task.Event {
	field := func(name string) string {
		v, _ := values[name].(string)
		return v
	}
	if name := field("trigger"); name != "" && field("ids") == "" {
		f := fieldReader{what: "event", id: cursor}
		e := task.Event{Cursor: cursor, Trigger: name, Planned: f.moment("planned", field("planned")), At: f.moment("at", field("at"))}
		e.Broken = f.broken
		return []task.Event{e}
	}
	all := task.Event{Cursor: cursor, Kind: field("kind"), Queue: field("queue"), State: task.State(field("state")), Code: task.Code(field("code"))}
	f := fieldReader{what: "event", id: cursor}
	ids := strings.Split(field("ids"), " ")
	if len(ids) > maxEvents {
		f.fail("ids", fmt.Errorf("has %d words; the limit is %d", len(ids), maxEvents))
		ids = []string{""}
	}
	for _, name := range alone {
		if _, ok := values[name].(string); ok && len(ids) == 1 {
			setEvent(&all, name, field(name), &f)
		} else if ok {
			f.fail(name, errors.New("must be in an entry of one event"))
		}
	}
	events := make([]task.Event, len(ids))
	for i, id := range ids {
		events[i] = all
		events[i].ID = id
	}
	broken := make([]fieldReader, len(ids))
	for i, id := range ids {
		if broken[i] = f; id == "" {
			broken[i].fail("ids", errors.New("has no word for this event"))
		}
	}
	for _, name := range columns {
		if _, ok := values[name].(string); !ok {
			continue
		}
		words := strings.Split(field(name), " ")
		for i := range events {
			switch word := words[min(i, len(words)-1)]; {
			case len(words) != 1 && len(words) != len(ids):
				broken[i].fail(name, fmt.Errorf("must have one word or %d", len(ids)))
			case word != "-":
				setEvent(&events[i], name, word, &broken[i])
			}
		}
	}
	for i := range events {
		events[i].Broken = broken[i].broken
	}
	return events
}

func setEvent(e *task.Event, name, v string, f *fieldReader) {
	switch name {
	case "v":
		e.Version = f.count(name, v)
	case "attempt":
		e.Attempt = f.count(name, v)
	case "replica":
		e.Replica = v
	case "at":
		e.At = f.moment(name, v)
	case "wait_ms":
		e.Wait = f.elapsed(name, v)
	case "run_ms":
		e.Run = f.elapsed(name, v)
	case "group":
		e.Group = v
	case "error":
		e.Error = v
	case "result":
		e.Result = []byte(v)
	case "exported":
		e.Exported = true
	case "result_bytes":
		e.ResultBytes = int(f.count(name, v))
	case "orphan":
		e.Orphan = v
	case "then_id":
		e.ThenID = v
	case "then_error":
		e.ThenError = v
	case "meta":
		e.Meta = f.headers(name, v)
	}
}
