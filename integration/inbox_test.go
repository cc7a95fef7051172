package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func (s *site) push(entries ...any) {
	s.t.Helper()
	if err := s.rdb.RPush(context.Background(), s.key("inbox"), entries...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// An idle pool starts a task from a plain RPUSH at once, with its payload byte
// for byte.
func TestPushedTaskStartsAtOnce(t *testing.T) {
	s := newSite(t)
	type arrival struct {
		at   time.Time
		task *task.Task
	}
	starts := make(chan arrival, 1)
	s.replicas(2, slots(2), "email.send", func(_ context.Context, tk *task.Task) ([]byte, error) {
		starts <- arrival{time.Now(), tk}
		return nil, nil
	})
	var took []time.Duration
	for i := range volume(50, 200) {
		payload := fmt.Sprintf(`{"to":"a@b.c" , "n":%d,"big":12345678901234567890,"e":[],"f":1.10e2}`, i)
		begin := time.Now()
		s.push(`{"kind":"email.send","payload":` + payload + `,"priority":3,"headers":{"trace":"x"}}`)
		got := receive(t, starts, prompt, "the start")
		took = append(took, got.at.Sub(begin))
		if string(got.task.Payload) != payload || got.task.Priority != 3 || got.task.Headers["trace"] != "x" {
			t.Errorf("the task is %+v with payload %s", got.task, got.task.Payload)
		}
	}
	t.Logf("from RPUSH to start: p50 %v p99 %v", percentile(took, 50), percentile(took, 99))
}

// Two replicas read many entries at once, a few of them invalid. Each entry is
// admitted or rejected exactly once.
func TestEveryEntryIsAdmittedOrRejectedOnce(t *testing.T) {
	entries := volume(10_000, 100_000)
	s := newSite(t)
	c := s.client()
	// No replica serves their queue: the test is only about admission.
	s.replicas(2, slots(2), "other", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	batch := make([]any, 0, 1000)
	dups, bad := 0, 0
	begin := time.Now()
	for i := range entries {
		switch {
		case i%1000 == 999:
			dups++
			batch = append(batch, fmt.Sprintf(`{"kind":"step","queue":"nobody","id":"task-%d"}`, i-1))
		case i%1000 == 500:
			bad++
			batch = append(batch, `{"kind":"step","queue":"nobody","prio":1}`)
		default:
			batch = append(batch, fmt.Sprintf(`{"kind":"step","queue":"nobody","id":"task-%d"}`, i))
		}
		if len(batch) == cap(batch) {
			s.push(batch...)
			batch = batch[:0]
		}
	}
	eventually(t, patience, "the inbox is empty", func() bool { return stats(t, c).Inbox == 0 })
	st := stats(t, c)
	t.Logf("%d entries were processed in %v", entries, time.Since(begin))
	if want := entries - dups - bad; st.Waiting != want || st.Enqueued != int64(want) || st.Rejected != dups+bad {
		t.Errorf("%d wait, %d were enqueued and %d rejected; want %d, %d and %d", st.Waiting, st.Enqueued, st.Rejected, want, want, dups+bad)
	}
}

// An entry that cannot become a task is rejected with a reason and delays no
// other entry.
func TestBadEntryIsRejectedWithAReason(t *testing.T) {
	s := newSite(t)
	c := s.client()
	started := make(chan string, 10)
	s.replicas(2, slots(2), "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		return nil, nil
	})
	huge := `{"kind":"step","payload":"` + strings.Repeat("x", 10<<20) + `"}`
	bad := []struct{ entry, reason string }{
		{"no json at all", "JSON"},
		{`{"kind":"step"`, "JSON"},
		{`["kind","step"]`, "object"},
		{`{"kind":7}`, "kind must be a string"},
		{`{"payload":1}`, "kind"},
		{`{"kind":"step","prioritty":1}`, "prioritty"},
		{`{"kind":"step","priority":1.5}`, "priority"},
		{`{"kind":"step","priority":128}`, "priority"},
		{`{"kind":"step","delay_ms":-1}`, "delay_ms"},
		{`{"kind":"step","delay_ms":1e999}`, "delay_ms"},
		{`{"kind":"step","delay_ms":1,"run_at_ms":1}`, "run"},
		{`{"kind":"step","queue":"{x}"}`, "queue"},
		{`{"kind":"step","id":"a b"}`, "id"},
		{`{"kind":"step","id":"` + strings.Repeat("x", 1000) + `"}`, "id"},
		{`{"kind":"step","headers":{"a":1}}`, "headers"},
		{`{"kind":"step"}{"kind":"step"}`, "after"},
		{"{\"kind\":\"st\x00ep\"}", ""},
		{huge, "limit"},
		{"", "JSON"},
	}
	for _, b := range bad {
		s.push(b.entry)
	}
	s.push(`{"kind":"step","id":"good","run_at_ms":1000}`) // in the past: it starts at once
	if id := receive(t, started, patience, "the good entry's start"); id != "good" {
		t.Errorf("task %s started", id)
	}
	eventually(t, patience, "the inbox is empty", func() bool { return stats(t, c).Inbox == 0 })
	var rejects []task.Reject
	for r, err := range s.store().Rejected(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rejects = append(rejects, r)
	}
	if len(rejects) != len(bad) {
		t.Errorf("%d rejects, want %d", len(rejects), len(bad))
	}
	left := bad
	for _, r := range rejects {
		for i, b := range left {
			if strings.HasPrefix(b.entry, r.Entry) && (r.Entry != "" || b.entry == "") && strings.Contains(r.Reason, b.reason) {
				left = append(append(left[:0:0], left[:i]...), left[i+1:]...)
				break
			}
		}
	}
	for _, b := range left {
		t.Errorf("no reject with %q for the entry %.60q", b.reason, b.entry)
	}
	if t.Failed() {
		for _, r := range rejects {
			t.Logf("%.60q: %s", r.Entry, r.Reason)
		}
	}
}

// An entry is admitted once even if its reader died between taking it up and
// admitting it.
func TestEntryOfADeadReaderIsAdmittedOnce(t *testing.T) {
	s := newSite(t)
	c := s.client()
	// The state after the death: the entry is marked as taken up.
	s.push(`{"kind":"step","id":"orphan"}`)
	has, err := s.store().AwaitInbox(t.Context(), time.Second)
	if err != nil || !has {
		t.Fatal(has, err)
	}
	if n, err := s.rdb.LLen(t.Context(), s.key("inbox")).Result(); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	started := make(chan string, 10)
	cfg := slots(2)
	cfg.Lease = time.Second
	s.replicas(2, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		started <- tk.ID
		return nil, nil
	})
	if id := receive(t, started, patience, "the orphan's start"); id != "orphan" {
		t.Errorf("task %s started", id)
	}
	if st := idle(t, c); st.Enqueued != 1 || st.Rejected != 0 {
		t.Errorf("%d enqueued, %d rejected", st.Enqueued, st.Rejected)
	}
}
