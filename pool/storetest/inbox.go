package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var inboxRules = []rule{
	{"InboxEntryBecomesTheTaskItDescribes", inboxEntryBecomesTheTask},
	{"InboxKeepsPayloadBytes", inboxKeepsPayloadBytes},
	{"InboxRejectsWithAReason", inboxRejects},
	{"InboxRejectsLargeEntriesAndContinues", inboxRejectsLargeEntries},
	{"InboxRejectsAnEntryOfNothingButMistakes", inboxRejectsManyMistakes},
	{"InboxRejectsDuplicates", inboxRejectsDuplicates},
	{"InboxRejectsWhatAFullQueueRefuses", inboxRejectsFull},
	{"InboxAcceptsARunTimeInThePast", inboxAcceptsThePast},
	{"InboxKeepsTheOrder", inboxKeepsTheOrder},
	{"InboxAdmitsVeryManyEntries", inboxAdmitsManyEntries},
	{"TwoReplicasAdmitEachEntryOnce", twoReplicasAdmitOnce},
	{"AwaitedEntryIsAdmittedOnceIfReplicasDie", awaitedEntry},
	{"AwaitInboxWakesForAnEntry", awaitInboxWakes},
}

// admit empties the inbox.
func (b *bundle) admit() {
	b.Helper()
	for {
		more, err := b.Store.AdmitInbox(b.ctx)
		b.ok(err)
		if !more {
			break
		}
	}
	if s := b.stats(); s.Inbox != 0 {
		b.Errorf("%d entries are left in the inbox", s.Inbox)
	}
}

func inboxEntryBecomesTheTask(b *bundle) {
	b.Push(b, `{"kind":"email.send","payload":{"to":"a@b.c"},"id":"x","queue":"q","priority":-3,"group":"g","unique":"u",`+
		`"timeout_ms":1500,"ttl_ms":60000,"deadline_ms":120000,"max_attempts":7,"backoff":"fixed:5","retain_ms":9000,"headers":{"a":"b"}}`)
	b.admit()
	t := b.wantState("x", task.Waiting)
	if t.Kind != "email.send" || string(t.Payload) != `{"to":"a@b.c"}` || t.Queue != "q" || t.Priority != -3 || t.Group != "g" ||
		t.Unique != "u" || t.Timeout != 1500*time.Millisecond || t.ExpiresAt.Sub(t.CreatedAt) != time.Minute ||
		t.DeadlineAt.Sub(t.CreatedAt) != 2*time.Minute || t.MaxAttempts != 7 || !t.Backoff.Fixed || *t.Retain != 9*time.Second ||
		t.Headers["a"] != "b" {
		b.Errorf("task %+v", t)
	}
	b.Push(b, `{"kind":"k","id":"y","timeout_ms":"none","retain_ms":"forever","delay_ms":60000}`)
	b.admit()
	t = b.wantState("y", task.Scheduled)
	if t.Timeout != task.Forever || *t.Retain != task.Forever || len(t.Payload) != 0 {
		b.Errorf("task %+v", t)
	}
}

func inboxKeepsPayloadBytes(b *bundle) {
	payloads := []string{`{"big":12345678901234567890123,"neg":-0,"e":1e400}`, `[]`, `[ [ ] , { } ]`, "3.14159265358979323846264338327950288",
		`""`, `null`, `false`, `"\u0000\ud800"`, "{\n\t\"a\" :\r1}", `{"a":1,"a":2}`, strings.Repeat("[", 500) + strings.Repeat("]", 500)}
	for i, p := range payloads {
		b.Push(b, fmt.Sprintf(`{"id":"p%d" , "payload": %s ,"kind":"k"}`, i, p), fmt.Sprintf("{\"kind\":\"k\",\"id\":\"q%d\",\"payload\":%s}", i, p))
	}
	b.admit()
	if r := b.Rejects(b); len(r) > 0 {
		b.Errorf("rejected: %v", r)
	}
	for i, p := range payloads {
		for _, id := range []string{fmt.Sprint("p", i), fmt.Sprint("q", i)} {
			if got := b.get(id).Payload; string(got) != p {
				b.Errorf("%s is %.80q, was %.80q", id, got, p)
			}
		}
	}
}

func inboxRejects(b *bundle) {
	bad := []struct{ entry, reason string }{
		{"", "JSON object"}, {"not json", "JSON object"}, {"[]", "JSON object"}, {"null", "JSON object"}, {"\x00\xff", "UTF-8"}, {"{\"kind\":\"k\",\"payload\":\"\xff\"}", "UTF-8"},
		{`{"kind":"k"`, "JSON"}, {`{"kind":"k"} {}`, "after"}, {`{"kind":"k"}x`, ""}, {`{}`, "kind"}, {`{"kind":""}`, "kind"}, {`{"kind":5}`, "kind"},
		{`{"kind":null}`, "kind"}, {`{"kind":"k","id":7}`, "id"}, {`{"kind":"k","id":"a b"}`, "id"}, {`{"kind":"k","queue":"{x}"}`, "queue"},
		{`{"kind":"k","priority":128}`, "priority"}, {`{"kind":"k","priority":1.5}`, "priority"}, {`{"kind":"k","priority":"1"}`, "priority"},
		{`{"kind":"k","priority":1e999}`, "priority"}, {`{"kind":"k","delay_ms":-1}`, "delay_ms"}, {`{"kind":"k","ttl_ms":0}`, "ttl_ms"},
		{`{"kind":"k","delay_ms":99999999999999999999}`, "delay_ms"}, {`{"kind":"k","delay_ms":1,"run_at_ms":1}`, "delay"},
		{`{"kind":"k","backoff":"often"}`, "backoff"}, {`{"kind":"k","backoff":7}`, "backoff"}, {`{"kind":"k","max_attempts":0}`, "max_attempts"},
		{`{"kind":"k","headers":[]}`, "headers"}, {`{"kind":"k","headers":{"a":1}}`, "headers"}, {`{"kind":"k","retain_ms":"always"}`, "retain_ms"},
		{`{"kind":"k","colour":"red"}`, "colour"}, {`{"kind":"k","Kind":"k"}`, "Kind"}, {`{"kind":"k","kind":"l"}`, "twice"},
		{`{"kind":"` + strings.Repeat("k", 129) + `"}`, "kind"}, {`{"kind":"k","timeout_ms":"never"}`, "timeout_ms"},
		{`{"kind":"k","payload":"` + strings.Repeat("x", task.MaxPayload) + `"}`, "payload"}, {`{"kind":"k","payload":}`, "JSON"},
		{`{"kind":"k","payload":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "JSON"},
		{`{"kind":"k","queue":"` + "\\u0000" + `"}`, "queue"},
	}
	for i, c := range bad {
		b.Push(b, c.entry, fmt.Sprintf(`{"kind":"k","id":"good%d"}`, i))
	}
	b.admit()
	reasons := b.Rejects(b)
	if len(reasons) != len(bad) {
		b.Fatalf("%d of %d entries were rejected", len(reasons), len(bad))
	}
	for i, c := range bad {
		if !strings.Contains(reasons[i], c.reason) || reasons[i] == "" {
			b.Errorf("%.60q was rejected because it %q, want something about %q", c.entry, reasons[i], c.reason)
		}
		b.wantState(fmt.Sprint("good", i), task.Waiting)
	}
	if s := b.stats(); s.Rejected != len(bad) || s.Waiting != len(bad) {
		b.Errorf("stats: %d rejected, %d waiting", s.Rejected, s.Waiting)
	}
}

func inboxRejectsLargeEntries(b *bundle) {
	large := `{"kind":"k","payload":"` + strings.Repeat("x", 10<<20) + `"}`
	b.Push(b, `{"kind":"k","id":"before"}`, large, large, `{"kind":"k","id":"after"}`, large)
	b.admit()
	b.wantState("before", task.Waiting)
	b.wantState("after", task.Waiting)
	if r := b.Rejects(b); len(r) != 3 || !strings.Contains(r[0], "limit") {
		b.Errorf("rejects: %v", r)
	}
}

// An entry made of nothing but unknown fields must cost neither minutes nor
// megabytes.
func inboxRejectsManyMistakes(b *bundle) {
	var entry strings.Builder
	entry.WriteString(`{"kind":"k"`)
	for i := range 120_000 {
		fmt.Fprintf(&entry, `,"f%d":1`, i)
	}
	entry.WriteString("}")
	b.Push(b, entry.String(), `{"kind":"k","id":"after"}`)
	b.admit()
	b.wantState("after", task.Waiting)
	r := b.Rejects(b)
	if len(r) != 1 || len(r[0]) > 10_000 {
		b.Fatalf("%d rejects, the reason has %d bytes", len(r), len(strings.Join(r, "")))
	}
}

func inboxRejectsDuplicates(b *bundle) {
	b.enqueue(task.Spec{ID: "taken", Unique: "u"})
	b.Push(b, `{"kind":"k","id":"taken"}`, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"x"}`, `{"kind":"k","unique":"u"}`)
	b.admit()
	if r := b.Rejects(b); len(r) != 3 || !strings.Contains(r[0], "duplicate") || !strings.Contains(r[2], "taken") {
		b.Errorf("rejects: %q", r)
	}
	if s := b.stats(); s.Enqueued != 2 {
		b.Errorf("%d tasks", s.Enqueued)
	}
}

func inboxRejectsFull(b *bundle) {
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	b.Push(b, `{"kind":"k","queue":"q","id":"x"}`, `{"kind":"k","queue":"q"}`, `{"kind":"k","queue":"new"}`)
	b.admit()
	if r := b.Rejects(b); len(r) != 1 || !strings.Contains(r[0], "full") {
		b.Errorf("rejects: %q", r)
	}
	b.wantState("x", task.Waiting)
}

func inboxAcceptsThePast(b *bundle) {
	b.Push(b, `{"kind":"k","id":"x","run_at_ms":1}`, `{"kind":"k","id":"y","run_at_ms":0}`, `{"kind":"k","id":"z","delay_ms":0}`)
	b.admit()
	b.wantIDs(b.claim(task.DefaultQueue, 9), "x", "y", "z")
}

func inboxKeepsTheOrder(b *bundle) {
	var want []string
	for i := range 450 {
		id := fmt.Sprintf("%d-%d", 9-i%10, i)
		want = append(want, id)
		b.Push(b, fmt.Sprintf(`{"kind":"k","id":%q}`, id))
		if i%150 == 0 {
			found, err := b.Store.AwaitInbox(b.ctx, time.Second)
			b.ok(err)
			if !found {
				b.Error("no entry was found")
			}
		}
	}
	b.admit()
	got := b.claim(task.DefaultQueue, 450)
	b.wantIDs(got, want...)
}

func inboxAdmitsManyEntries(b *bundle) {
	n := 10_000
	switch {
	case b.Full:
		n = 100_000
	case b.Emulated:
		n = 5000
	}
	entries := make([]string, 1000)
	for range n / len(entries) {
		for i := range entries {
			entries[i] = `{"kind":"k"}`
		}
		b.Push(b, entries...)
	}
	b.admit()
	if s := b.stats(); s.Waiting != n || s.Rejected != 0 {
		b.Errorf("%d waiting, %d rejected", s.Waiting, s.Rejected)
	}
}

func twoReplicasAdmitOnce(b *bundle) {
	n := 900
	if b.Full {
		n = 3000
	}
	for i := range n {
		// Every third is the same text as others, without an id of its own.
		if i%3 == 0 {
			b.Push(b, `{"kind":"k","queue":"same"}`)
		} else {
			b.Push(b, fmt.Sprintf(`{"kind":"k","id":"t%d"}`, i))
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			store := b.Store
			if i%2 == 1 {
				store = b.Peer
			}
			if _, err := store.AwaitInbox(b.ctx, time.Second); err != nil {
				b.Error(err)
			}
			for more := true; more; {
				var err error
				if more, err = store.AdmitInbox(b.ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.admit()
	s := b.stats()
	if s.Enqueued != int64(n) || s.Rejected != 0 {
		b.Errorf("%d admitted, %d rejected, want %d and 0: %v", s.Enqueued, s.Rejected, n, b.Rejects(b))
	}
}

func awaitedEntry(b *bundle) {
	b.Push(b, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"y"}`)
	for range 2 { // two replicas find one each, and die
		found, err := b.Store.AwaitInbox(b.ctx, time.Second)
		b.ok(err)
		if !found {
			b.Error("no entry was found")
		}
	}
	if s := b.stats(); s.Inbox != 2 {
		b.Errorf("%d entries in the inbox", s.Inbox)
	}
	if _, err := b.Peer.AdmitInbox(b.ctx); err != nil {
		b.Fatal(err)
	}
	b.admit()
	b.wantIDs(b.claim(task.DefaultQueue, 9), "x", "y")
}

func awaitInboxWakes(b *bundle) {
	found, err := b.Store.AwaitInbox(b.ctx, time.Second)
	b.ok(err)
	if found {
		b.Error("an entry was found in an empty inbox")
	}
	done := make(chan bool)
	go func() {
		found, err := b.Store.AwaitInbox(b.ctx, 20*time.Second)
		if err != nil {
			b.Error(err)
		}
		done <- found
	}()
	b.Push(b, `{"kind":"k"}`)
	if !<-done {
		b.Error("the entry was not found")
	}
	b.admit()
	if s := b.stats(); s.Waiting != 1 {
		b.Errorf("%d waiting", s.Waiting)
	}
}
