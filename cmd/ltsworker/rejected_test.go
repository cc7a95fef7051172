package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/redisstore"
)

// admit pushes entries to the inbox and turns them into tasks or rejects, as a replica does.
func (u *user) admit(entries ...any) {
	u.t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: u.addr})
	defer rdb.Close()
	s := redisstore.New(rdb, u.pool)
	defer s.Close()
	ctx := context.Background()
	if len(entries) > 0 {
		if err := rdb.RPush(ctx, "lts:{"+u.pool+"}:inbox", entries...).Err(); err != nil {
			u.t.Fatal(err)
		}
	}
	if _, err := s.AdmitInbox(ctx, nil); err != nil {
		u.t.Fatal(err)
	}
}

// rejects returns the rejected entries, newest first.
func (u *user) rejects() []record.Reject {
	u.t.Helper()
	return decodeLines[record.Reject](u.t, u.must("rejected", "list", "--limit", "0", "--json"))
}

func TestRejectedEntriesAreListedAndShown(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if a := u.run("rejected", "list"); a.code != exitDone || a.out != "" || !strings.Contains(a.err, "holds no rejected entry") {
		t.Errorf("without entries: %+v", a)
	}
	long := `{"kind":"k","prio":1,"payload":"` + strings.Repeat("p", 20_000) + `"}`
	u.admit(`{"kind":"k","prio":5}`, "non\x1bsense\n", "\xff", long)
	got := u.rejects()
	if len(got) != 4 {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []record.Reject{
		{Bytes: len(long), Cut: true, EntryText: long[:16384]},
		{Bytes: 1, EntryBase64: []byte("\xff")},
		{Bytes: 10, EntryText: "non\x1bsense\n"},
		{Bytes: 21, Entry: json.RawMessage(`{"kind":"k","prio":5}`)},
	} {
		g := got[i]
		if g.Bytes != want.Bytes || g.Cut != want.Cut || g.EntryText != want.EntryText || string(g.Entry) != string(want.Entry) ||
			string(g.EntryBase64) != string(want.EntryBase64) || g.Code != "invalid" || g.Reason == "" || g.At == "" || g.ID == "" {
			t.Errorf("entry %d: %+v", i, g)
		}
	}
	out := u.must("rejected", "list")
	if strings.Contains(out, "\x1b") || strings.Count(out, "\n") != 5 || !strings.Contains(out, `"non\x1bsense\n"`) || len(out) > 10_000 {
		t.Errorf("the list: %q", out)
	}
	if a := u.run("rejected", "list", "--limit", "1"); strings.Count(a.out, "\n") != 2 || !strings.Contains(a.err, "more than 1") {
		t.Errorf("%+v", a)
	}
	out = u.must("rejected", "show", got[0].ID, got[3].ID)
	for _, want := range []string{got[0].ID, "20034 bytes; cut: only the first 16384 are kept", `{"kind":"k","prio":5}`, long[:16384] + "\n", `"prio" is not a field`} {
		if !strings.Contains(out, want) {
			t.Errorf("%.60q is missing in %.300q", want, out)
		}
	}
	shown := decodeLines[record.Reject](t, u.must("rejected", "show", got[2].ID, "--json"))
	if len(shown) != 1 || shown[0].ID != got[2].ID || shown[0].EntryText != got[2].EntryText {
		t.Errorf("%+v", shown)
	}
	if out := u.run("doctor").out; !strings.Contains(out, "4 entries were rejected") || !strings.Contains(out, "ltsworker rejected list") {
		t.Errorf("the doctor does not name the command: %s", out)
	}
	if a := u.run("rejected", "show", "1-0", got[3].ID); a.code != exitFailed || a.err != "ltsworker: 1-0: no such rejected entry\n" || !strings.Contains(a.out, got[3].ID) {
		t.Errorf("%+v", a)
	}
}

func TestRejectedEntryIsPutBackAfterEditing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	long := `{"kind":"k","prio":1,"payload":"` + strings.Repeat("p", 20_000) + `"}`
	u.admit(`{"kind":"k","id":"a","prio":5}`, `{"kind":"k","id":"b","prio":5}`, `{"kind":"k","id":"c","prio":5}`, long)
	got := u.rejects()
	ids := map[string]string{"long": got[0].ID, "c": got[1].ID, "b": got[2].ID, "a": got[3].ID}

	// Nothing is done for a text that cannot become a task.
	for _, text := range []string{"nonsense", `{"kind":"k","prio":5}`} {
		a := u.run("rejected", "put-back", ids["a"], "--entry", text)
		if a.code != exitUsage || !strings.Contains(a.err, "cannot become a task") {
			t.Errorf("%+v", a)
		}
	}
	if a := u.pipe("", "rejected", "put-back", ids["a"], "--file", "-"); a.code != exitUsage || !strings.Contains(a.err, "JSON object") {
		t.Errorf("an empty file: %+v", a)
	}
	if a := u.run("rejected", "put-back", ids["a"], "--file", "none.json"); a.code != exitUsage {
		t.Errorf("no file: %+v", a)
	}
	if a := u.run("rejected", "put-back", ids["long"]); a.code != exitFailed || !strings.Contains(a.err, "give the whole text with --entry or --file") {
		t.Errorf("a cut entry: %+v", a)
	}
	if n := len(u.rejects()); n != 4 {
		t.Fatalf("%d rejected entries", n)
	}

	if out := u.must("rejected", "put-back", ids["a"], "--entry", `{"kind":"k","id":"a","priority":5}`); out != "put back 1 rejected entry\n" {
		t.Errorf("%q", out)
	}
	u.write("b.json", `{"kind":"k","id":"b","priority":5}`+"\n", 0o600)
	u.must("rejected", "put-back", ids["b"], "--file", "b.json")
	if a := u.pipe(`{"kind":"k","id":"c"}`, "rejected", "put-back", ids["c"], "--file", "-", "--json"); a.out != `{"action":"put-back","entries":1}`+"\n" {
		t.Errorf("%+v", a)
	}
	u.admit()
	for _, id := range []string{"a", "b", "c"} {
		u.must("get", id)
	}
	if a := u.run("rejected", "put-back", ids["a"]); a.code != exitFailed || !strings.Contains(a.err, "no such rejected entry") {
		t.Errorf("put back twice: %+v", a)
	}
	if left := u.rejects(); len(left) != 1 || left[0].ID != ids["long"] {
		t.Errorf("left: %+v", left)
	}

	// An entry as it is: its queue has room again.
	u.admit(`{"kind":"k","id":"a"}`, `{"kind":"k","id":"b"}`)
	got = u.rejects()
	u.must("stop", "a", "b")
	u.must("delete", "a", "b")
	a := u.run("rejected", "put-back", got[0].ID, ids["long"], got[1].ID)
	if a.code != exitFailed || a.out != "put back 2 rejected entries\n" || !strings.Contains(a.err, "only the beginning") {
		t.Errorf("%+v", a)
	}
	u.admit()
	u.must("get", "a", "b")
}

func TestRejectedEntriesAreDropped(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.admit("a", "b", "c", "d")
	got := u.rejects()
	if out := u.must("rejected", "drop", got[0].ID); out != "dropped 1 rejected entry\n" {
		t.Errorf("%q", out)
	}
	a := u.run("rejected", "drop", got[0].ID, got[1].ID, "--json")
	if a.code != exitFailed || a.out != `{"action":"drop","entries":1}`+"\n" || !strings.Contains(a.err, got[0].ID+": no such rejected entry") {
		t.Errorf("%+v", a)
	}
	a = u.run("rejected", "drop", "--all")
	if a.code != exitUsage || a.err != "ltsworker: 2 rejected entries would be dropped; nothing was changed: add --yes to do it\n" {
		t.Errorf("without a terminal: %+v", a)
	}
	m := u.terminal(80, 24, "rejected", "drop", "--all")
	m.await("2 rejected entries would be dropped. Go on? [y/N]")
	m.press("n\r")
	if code := m.wait(); code != exitFailed || len(u.rejects()) != 2 {
		t.Errorf("declined: exit code %d", code)
	}
	m = u.terminal(80, 24, "rejected", "drop", "--all")
	m.await("Go on?")
	u.admit("late")
	u.must("rejected", "drop", got[2].ID)
	m.press("y\r")
	m.await("dropped 1 rejected entry")
	if code := m.wait(); code != exitDone {
		t.Errorf("agreed: exit code %d", code)
	}
	if left := u.rejects(); len(left) != 1 || left[0].EntryText != "late" {
		t.Errorf("left: %+v", left)
	}
	if out := u.must("rejected", "drop", "--all", "--yes"); out != "dropped 1 rejected entry\n" {
		t.Errorf("%q", out)
	}
	if out := u.must("rejected", "drop", "--all", "--yes"); out != "dropped 0 rejected entries\n" {
		t.Errorf("%q", out)
	}
}

func TestWrongUseOfRejected(t *testing.T) {
	t.Parallel()
	u := stranger(t)
	for _, c := range []struct{ args, says string }{
		{"shw", "Did you mean show?"},
		{"list --limit=-1", "--limit must not be negative"},
		{"show", "an entry's ID is missing"},
		{"show x", "is like 1731990000000-0, not \"x\""},
		{"put-back", "an entry's ID is missing"},
		{"put-back 1", "is like"},
		{"put-back 1-0 2-0 --entry {}", "go with one ID"},
		{"put-back 1-0 --entry {} --file -", "not both"},
		{"drop", "by ID, or --all"},
		{"drop --all 1-0", "not both"},
	} {
		if a := u.run(append([]string{"rejected"}, strings.Fields(c.args)...)...); a.code != exitUsage || !strings.Contains(a.err, c.says) {
			t.Errorf("%s: %+v", c.args, a)
		}
	}
	if out := u.must("rejected"); !strings.Contains(out, "put-back") {
		t.Errorf("%q", out)
	}
}

func TestAgesOfRejectedEntriesAreOfTheClockOfRedis(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{50 * time.Hour, -50 * time.Hour} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			u := newUser(t)
			s := redisserver.Start(t, redisserver.Clock(t))
			u.addr, u.env = s.Addr(), []string{"LTS_REDIS=redis://" + s.Addr() + "/0", "LTS_POOL=" + u.pool}
			s.SetClock(t, ahead)
			u.admit("nonsense")
			s.SetClock(t, ahead+5*time.Hour)
			r := u.rejects()[0]
			for what, out := range map[string]string{"list": u.must("rejected", "list"), "show": u.must("rejected", "show", r.ID)} {
				if !strings.Contains(out, "5h0m") {
					t.Errorf("%s:\n%s", what, out)
				}
			}
			if age := time.Duration(r.AgeMS) * time.Millisecond; age < 5*time.Hour || age > 6*time.Hour {
				t.Errorf("an age of %v", age)
			}
		})
	}
}

// A program such as jq may change numbers: 12345678901234567890 is beyond the precision of a float.
func TestRawTextOfARejectedEntryIsPutBackUnchanged(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	entry := `{"kind":"k","payload":{"n":12345678901234567890,"one":1.0},"prio":1}`
	u.admit(entry, `{"kind":"k","prio":1,"payload":"`+strings.Repeat("p", 20_000)+`"}`)
	got := u.rejects()
	long, id := got[0].ID, got[1].ID
	if out := u.must("rejected", "show", id, "--raw"); out != entry {
		t.Errorf("got %q", out)
	}
	if a := u.run("rejected", "show", long, "--raw"); a.code != exitFailed || a.out != "" || !strings.Contains(a.err, "only the first 16384 of") {
		t.Errorf("a cut entry: %+v", a)
	}
	if a := u.run("rejected", "show", id, long, "--raw"); a.code != exitUsage {
		t.Errorf("two entries: %+v", a)
	}
}
