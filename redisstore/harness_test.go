package redisstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool/storetest"
)

func harness(t testing.TB, rdb *redis.Client) storetest.Harness { return newSite(t, rdb).harness(t) }

func (s *site) harness(t testing.TB) storetest.Harness {
	rdb := s.rdb
	ctx := context.Background()
	return storetest.Harness{
		Full:         *full,
		Store:        s.store,
		Peer:         s.open(t, rdb),
		Now:          s.now,
		Push:         func(t testing.TB, entries ...string) { s.push(t, "inbox", entries...) },
		PushReports:  func(t testing.TB, entries ...string) { s.push(t, "reports", entries...) },
		PushTriggers: func(t testing.TB, entries ...string) { s.push(t, "triggers:inbox", entries...) },
		Rejects: func(t testing.TB) []string {
			t.Helper()
			var reasons []string
			for r, err := range s.store.Rejected(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				reasons = append(reasons, r.Reason)
			}
			slices.Reverse(reasons)
			return reasons
		},
		Signals: func(t testing.TB, replica string) []string {
			t.Helper()
			p := rdb.TxPipeline()
			signals := p.LRange(ctx, s.prefix+"signals:"+replica, 0, -1)
			p.Del(ctx, s.prefix+"signals:"+replica)
			if _, err := p.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			return signals.Val()
		},
		Replies: func(t testing.TB, id string) ([]string, time.Duration) {
			t.Helper()
			p := rdb.Pipeline()
			replies, expires := p.LRange(ctx, s.prefix+"reply:"+id, 0, -1), p.PTTL(ctx, s.prefix+"reply:"+id)
			if _, err := p.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			return replies.Val(), expires.Val()
		},
		Traces: func(t testing.TB, id string) []string { return s.traces(t, id) },
		SetSequence: func(t testing.TB, n int64) {
			if err := rdb.HSet(ctx, s.prefix+"meta", "seq", n).Err(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// push appends entries to a list.
func (s *site) push(t testing.TB, list string, entries ...string) {
	t.Helper()
	args := make([]any, len(entries))
	for i, e := range entries {
		args[i] = e
	}
	if err := s.rdb.RPush(t.Context(), s.prefix+list, args...).Err(); err != nil {
		t.Fatal(err)
	}
}

// traces lists the keys, members and values that contain the id. It leaves out the event stream,
// the replies and the records of calls, which are bounded and short-lived.
func (s *site) traces(t testing.TB, id string) []string {
	t.Helper()
	var found []string
	for key, v := range s.dump(t) {
		name := strings.TrimPrefix(key, s.prefix)
		kind, of, _ := strings.Cut(name, ":")
		switch kind {
		case "events", "inbox", "call", "replica", "reply", "claims": // a claim keeps the ids of ended tasks until all its tasks have ended
			continue
		case "task", "more", "history":
			if of == id {
				found = append(found, name)
			}
			continue
		}
		for m, v := range v {
			if m == id || v == id || slices.Contains(strings.Fields(m), id) {
				found = append(found, name+" "+m)
			}
		}
	}
	return found
}
