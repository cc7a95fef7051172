package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// Another program can write any entry into the stream. A broken entry is reported, and the other
// entries are read.
func TestBrokenEntryHoldsUpNoReader(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		if _, _, err := s.store.ReadSubscription(t.Context(), "g", "a", 1, time.Hour, 0); err != nil {
			t.Fatal(err)
		}
		for _, values := range [][]any{
			{"ids", "x w", "state", "waiting", "v", "1", "at", "1700000000000"}, {"ids", "bad worse", "state", "failed", "at", "soon"},
			{"note", "not an event"}, {"ids", "y", "state", "waiting", "v", "1", "at", "1700000000000"},
		} {
			if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: s.prefix + "events", Values: values}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"x", "w", "bad broken", "worse broken", " broken", "y"}
		for _, tt := range []struct {
			how  string
			read func() ([]task.Event, error)
		}{
			{"ReadEvents", func() ([]task.Event, error) { return s.store.ReadEvents(t.Context(), "0", 10, 0) }},
			{"RecentEvents", func() ([]task.Event, error) {
				events, err := s.store.RecentEvents(t.Context(), "", 10)
				slices.Reverse(events)
				return events, err
			}},
			{"ReadSubscription", func() ([]task.Event, error) {
				events, _, err := s.store.ReadSubscription(t.Context(), "g", "a", 10, time.Hour, 0)
				return events, err
			}},
			{"ReadSubscription, taken over", func() ([]task.Event, error) { // takes over the events that a has read
				events, _, err := s.store.ReadSubscription(t.Context(), "g", "b", 10, 0, 0)
				return events, err
			}},
		} {
			events, err := tt.read()
			if err != nil {
				t.Errorf("%s: %v", tt.how, err)
				continue
			}
			var got []string
			for _, e := range events {
				id := e.ID
				if e.Broken != nil {
					id += " broken"
				}
				got = append(got, id)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tt.how, d)
			}
		}
	})
}
