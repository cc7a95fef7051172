package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

func TestEntryHasOneEventPerID(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	got := decodeEntry("5-1", map[string]any{
		"state": "running", "kind": "k", "queue": "q", "ids": "a b c", "v": "2 2 4", "attempt": "1 1 2", "replica": "r",
		"at": "1700000000000", "wait_ms": "0 5 10", "group": "- g -", "future": "1 2",
	})
	event := func(id string, v, attempt int64, wait time.Duration, group string) task.Event {
		return task.Event{Cursor: "5-1", ID: id, Kind: "k", Queue: "q", State: task.Running, Version: v, Attempt: attempt,
			Replica: "r", At: at, Wait: wait * time.Millisecond, Group: group}
	}
	want := []task.Event{event("a", 2, 1, 0, ""), event("b", 2, 1, 5, "g"), event("c", 4, 2, 10, "")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("(-want +got):\n", d)
	}
}

func TestEntryOfOneIDHasAllItsFields(t *testing.T) {
	got := decodeEntry("5-1", map[string]any{
		"state": "failed", "kind": "k", "queue": "q", "code": "error", "ids": "a", "v": "3", "attempt": "1", "replica": "r", "at": "1", "run_ms": "-5",
		"error": "it broke\n", "result": "x y", "result_bytes": "7", "meta": `{"a":"b c"}`, "group": "g",
	})
	want := []task.Event{{Cursor: "5-1", ID: "a", Kind: "k", Queue: "q", State: task.Failed, Code: task.CodeError, Version: 3, Attempt: 1,
		Replica: "r", At: time.UnixMilli(1), Run: -5 * time.Millisecond, Error: "it broke\n", Result: []byte("x y"), ResultBytes: 7,
		Meta: map[string]string{"a": "b c"}, Group: "g"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("(-want +got):\n", d)
	}
}

func TestColumnsOfTheWrongLengthAreReported(t *testing.T) {
	for name, value := range map[string]string{"v": "1 2", "attempt": "1 2 3 4", "at": "1  2", "group": "a b", "run_ms": "1 2"} {
		events := decodeEntry("1-1", map[string]any{"ids": "a b c", "code": "ok", name: value})
		if name == "at" {
			events = decodeEntry("1-1", map[string]any{"ids": "a b", "code": "ok", name: value})
		}
		for _, e := range events {
			if e.Broken == nil || !strings.Contains(e.Broken.Error(), "1-1: field "+name) {
				t.Errorf("%s %q: broken %v", name, value, e.Broken)
			}
			e.Broken = nil
			if d := cmp.Diff(task.Event{Cursor: "1-1", ID: e.ID, Code: "ok"}, e); d != "" {
				t.Errorf("%s %q: (-want +got):\n%s", name, value, d)
			}
		}
	}
}

func TestBrokenWordHarmsOnlyItsOwnEvent(t *testing.T) {
	for _, field := range [][2]string{{"attempt", "1 many 2"}, {"v", "1 -1 1"}, {"at", "1 soon 1"}, {"wait_ms", "1 1e3 1"}, {"run_ms", "0 9223372036854775807 0"}} {
		events := decodeEntry("1-1", map[string]any{"ids": "a b c", field[0]: field[1]})
		for i, e := range events {
			if (e.Broken != nil) != (i == 1) {
				t.Errorf("%s %q: event %s, broken %v", field[0], field[1], e.ID, e.Broken)
			}
		}
	}
}

func TestBrokenFieldsOfAnEventAreReportedAndTheOthersRead(t *testing.T) {
	for _, field := range [][2]string{
		{"attempt", "many"}, {"attempt", "-1"}, {"v", ""}, {"at", "soon"}, {"wait_ms", "1e3"}, {"run_ms", "9223372036854775807"},
		{"meta", "["}, {"meta", `{"a":"b","n":1}`}, {"result_bytes", "-1"},
	} {
		e := decodeEntry("1-1", map[string]any{"ids": "x", "code": "ok", field[0]: field[1]})[0]
		if e.Broken == nil || !strings.Contains(e.Broken.Error(), "1-1: field "+field[0]) {
			t.Errorf("%s %q: broken %v", field[0], field[1], e.Broken)
		}
		e.Broken = nil
		if d := cmp.Diff(task.Event{Cursor: "1-1", ID: "x", Code: "ok"}, e); d != "" {
			t.Errorf("%s %q: (-want +got):\n%s", field[0], field[1], d)
		}
	}
	for _, ids := range []string{"", " ", strings.Repeat("x ", maxEvents+1)} {
		events := decodeEntry("1-1", map[string]any{"ids": ids, "kind": "k"})
		for _, e := range events {
			if e.Broken == nil || e.Kind != "k" || e.ID != "" {
				t.Errorf("ids %.10q: %+v", ids, e)
			}
		}
	}
	for _, e := range decodeEntry("1-1", map[string]any{"ids": "a b", "error": "whose?"}) {
		if e.Broken == nil || e.Error != "" || e.ID == "" {
			t.Errorf("an error in an entry of two: %+v", e)
		}
	}
}

func TestEntriesAreReadUpToTheLimit(t *testing.T) {
	var s Store
	if n := s.entriesFor(100); n != 100 {
		t.Errorf("%d entries for 100 events, before any was read", n)
	}
	fifty := map[string]any{"ids": strings.TrimSpace(strings.Repeat("x ", entryEvents))}
	events, n := s.decodeEntries(messages(fifty, 4), 51)
	if len(events) != 100 || n != 2 {
		t.Errorf("%d events of %d entries, want those of 2", len(events), n)
	}
	if n := s.entriesFor(100); n != 2 {
		t.Errorf("%d entries for 100 events, want 2", n)
	}
	if n := s.entriesFor(1); n != 1 {
		t.Errorf("%d entries for an event, want 1", n)
	}
}

// messages returns n entries with the same values.
func messages(values map[string]any, n int) []redis.XMessage {
	entries := make([]redis.XMessage, n)
	for i := range entries {
		entries[i] = redis.XMessage{ID: "1-1", Values: values}
	}
	return entries
}
