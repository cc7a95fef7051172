package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// historyEntry is an entry of a stream that people read.
type historyEntry struct {
	id     string
	at     time.Time
	values map[string]any
}

func (e historyEntry) text(name string) string {
	v, _ := e.values[name].(string)
	return v
}

func (e historyEntry) number(name string) int {
	n, _ := strconv.Atoi(e.text(name))
	return n
}

// history reads up to limit entries of a stream before an ID, "" for the newest, newest first.
func (s *Store) history(ctx context.Context, key, what, before string, limit int) ([]historyEntry, error) {
	end := "+"
	if before != "" {
		if _, _, err := splitCursor(before); err != nil {
			return nil, &task.FieldError{Field: "before", Msg: "is no position in " + what}
		}
		end = "(" + before
	}
	var entries []redis.XMessage
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		entries, err = rdb.XRevRangeN(ctx, key, end, "-", int64(limit)).Result()
		return ignoreNil(err)
	})
	if err != nil {
		return nil, s.fail(ctx, "read "+what, err)
	}
	all := make([]historyEntry, len(entries))
	for i, entry := range entries {
		ms, _, _ := splitCursor(entry.ID)
		all[i] = historyEntry{id: entry.ID, at: time.UnixMilli(int64(ms)), values: entry.Values}
	}
	return all, nil
}
