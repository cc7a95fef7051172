package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

func TestAuditIsReadFromTheNewestEntryOn(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		want := task.AuditEntry{User: "ann", Method: "password", Action: "tasks/stop", Target: "a b", Count: 2, Reason: "too old"}
		id, err := s.store.Audit(t.Context(), want, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Audit(t.Context(), task.AuditEntry{User: "ann", Of: id, Done: 1, Error: "b has ended"}, false); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Audit(t.Context(), task.AuditEntry{User: "bob", Action: "pause"}, true); err != nil {
			t.Fatal(err)
		}
		got, err := s.store.AuditLog(t.Context(), "", 10, false)
		if err != nil || len(got) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if e := got[0]; e.Of != id || e.Done != 1 || e.Error != "b has ended" {
			t.Errorf("the outcome is %+v", e)
		}
		e := got[1]
		if want.ID, want.At = id, e.At; e != want || e.At.IsZero() {
			t.Errorf("got %+v, want %+v", e, want)
		}
		if page, err := s.store.AuditLog(t.Context(), got[0].ID, 10, false); err != nil || len(page) != 1 || page[0].ID != id {
			t.Errorf("before the newest entry: %+v, %v", page, err)
		}
		if refused, err := s.store.AuditLog(t.Context(), "", 10, true); err != nil || len(refused) != 1 || refused[0].User != "bob" {
			t.Errorf("refusals %+v, %v", refused, err)
		}
		if _, err := s.store.AuditLog(t.Context(), "x", 10, false); err == nil {
			t.Error("a position that is none was accepted")
		}
		findings, err := s.store.WalkKeys(t.Context(), false)
		for _, f := range findings {
			if f.Open() || err != nil {
				t.Errorf("the doctor finds %+v, %v", f, err)
			}
		}
	})
}

// The stream does not grow without end.
func TestAuditKeepsTheNewestEntries(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		for i := range 10_000 + 300 {
			rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: s.prefix + "audit", ID: fmt.Sprint(i+1, "-0"), Values: []any{"user", "ann"}})
		}
		if _, err := s.store.Audit(t.Context(), task.AuditEntry{User: "bob"}, false); err != nil {
			t.Fatal(err)
		}
		if n := rdb.XLen(t.Context(), s.prefix+"audit").Val(); n < 10_000 || n > 10_200 {
			t.Errorf("%d entries", n)
		}
	})
}

// Callers choose the texts of an entry, so none of them is longer than 1 KiB.
func TestAuditCutsLongTexts(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		long := strings.Repeat("é", 5000)
		if _, err := s.store.Audit(t.Context(), task.AuditEntry{User: long, Method: long, Action: long, Target: "a" + long, Reason: long, Of: long, Error: long}, true); err != nil {
			t.Fatal(err)
		}
		got, err := s.store.AuditLog(t.Context(), "", 1, true)
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		e := got[0]
		for i, text := range []string{e.User, e.Method, e.Action, e.Target, e.Reason, e.Of, e.Error} {
			if n := len(text); n < 1020 || n > 1024 || !utf8.ValidString(text) || !strings.HasSuffix(text, "é…") {
				t.Errorf("text %d has %d bytes and ends with %q", i, n, text[max(n-8, 0):])
			}
		}
		exact := strings.Repeat("x", 1024)
		if _, err := s.store.Audit(t.Context(), task.AuditEntry{User: exact}, true); err != nil {
			t.Fatal(err)
		}
		if got, err = s.store.AuditLog(t.Context(), "", 1, true); err != nil || got[0].User != exact {
			t.Errorf("a text of 1 KiB was changed: %d bytes, %v", len(got[0].User), err)
		}
	})
}
