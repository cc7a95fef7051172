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
	{"InboxRejectsAnEntryWithManyMistakes", inboxRejectsManyMistakes},
	{"InboxRejectsDuplicates", inboxRejectsDuplicates},
	{"InboxRejectsEntriesForAFullQueue", inboxRejectsFull},
	{"InboxAcceptsARunTimeInThePast", inboxAcceptsThePast},
	{"InboxKeepsTheOrder", inboxKeepsTheOrder},
	{"InboxAdmitsVeryManyEntries", inboxAdmitsManyEntries},
	{"TwoReplicasAdmitEachEntryOnce", twoReplicasAdmitOnce},
	{"AwaitedEntryIsAdmittedOnceIfReplicasDie", awaitedEntry},
	{"AwaitInboxWakesForAnEntry", awaitInboxWakes},
}

// admit admits all entries of the inbox.
func (fx *fixture) admit() {
	fx.Helper()
	for {
		more, err := fx.Store.AdmitInbox(fx.ctx, nil)
		fx.noError(err)
		if !more {
			break
		}
	}
	if s := fx.stats(); s.Inbox != 0 {
		fx.Errorf("%d entries are left in the inbox", s.Inbox)
	}
}

func inboxEntryBecomesTheTask(fx *fixture) {
	fx.Push(fx, `{"kind":"email.send","payload":{"to":"a@b.c"},"id":"x","queue":"q","priority":-3,"group":"g","unique":"u",`+
		`"timeout_ms":1500,"ttl_ms":60000,"deadline_ms":120000,"max_attempts":7,"backoff":"fixed:5","retain_ms":9000,"headers":{"a":"b"}}`)
	fx.admit()
	t := fx.wantState("x", task.Waiting)
	if t.Kind != "email.send" || string(t.Payload) != `{"to":"a@b.c"}` || t.Queue != "q" || t.Priority != -3 || t.Group != "g" ||
		t.Unique != "u" || t.Timeout != 1500*time.Millisecond || t.ExpiresAt.Sub(t.CreatedAt) != time.Minute ||
		t.DeadlineAt.Sub(t.CreatedAt) != 2*time.Minute || t.MaxAttempts != 7 || !t.Backoff.Fixed || *t.Retain != 9*time.Second ||
		t.Headers["a"] != "b" {
		fx.Errorf("task %+v", t)
	}
	fx.Push(fx, `{"kind":"k","id":"y","timeout_ms":"none","retain_ms":"forever","delay_ms":60000}`)
	fx.admit()
	t = fx.wantState("y", task.Scheduled)
	if t.Timeout != task.Forever || *t.Retain != task.Forever || len(t.Payload) != 0 {
		fx.Errorf("task %+v", t)
	}
}

func inboxKeepsPayloadBytes(fx *fixture) {
	payloads := []string{`{"big":12345678901234567890123,"neg":-0,"e":1e400}`, `[]`, `[ [ ] , { } ]`, "3.14159265358979323846264338327950288",
		`""`, `null`, `false`, `"\u0000\ud800"`, "{\n\t\"a\" :\r1}", `{"a":1,"a":2}`, strings.Repeat("[", 500) + strings.Repeat("]", 500)}
	for i, p := range payloads {
		fx.Push(fx, fmt.Sprintf(`{"id":"p%d" , "payload": %s ,"kind":"k"}`, i, p), fmt.Sprintf("{\"kind\":\"k\",\"id\":\"q%d\",\"payload\":%s}", i, p))
	}
	fx.admit()
	if r := fx.Rejects(fx); len(r) > 0 {
		fx.Errorf("rejected: %v", r)
	}
	for i, p := range payloads {
		for _, id := range []string{fmt.Sprint("p", i), fmt.Sprint("q", i)} {
			if got := fx.get(id).Payload; string(got) != p {
				fx.Errorf("%s is %.80q, was %.80q", id, got, p)
			}
		}
	}
}

func inboxRejects(fx *fixture) {
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
		fx.Push(fx, c.entry, fmt.Sprintf(`{"kind":"k","id":"good%d"}`, i))
	}
	fx.admit()
	reasons := fx.Rejects(fx)
	if len(reasons) != len(bad) {
		fx.Fatalf("%d of %d entries were rejected", len(reasons), len(bad))
	}
	for i, c := range bad {
		if !strings.Contains(reasons[i], c.reason) || reasons[i] == "" {
			fx.Errorf("%.60q was rejected because it %q, want something about %q", c.entry, reasons[i], c.reason)
		}
		fx.wantState(fmt.Sprint("good", i), task.Waiting)
	}
	if s := fx.stats(); s.Rejected != len(bad) || s.Waiting != len(bad) {
		fx.Errorf("stats: %d rejected, %d waiting", s.Rejected, s.Waiting)
	}
}

func inboxRejectsLargeEntries(fx *fixture) {
	large := `{"kind":"k","payload":"` + strings.Repeat("x", 10<<20) + `"}`
	fx.Push(fx, `{"kind":"k","id":"before"}`, large, large, `{"kind":"k","id":"after"}`, large)
	fx.admit()
	fx.wantState("before", task.Waiting)
	fx.wantState("after", task.Waiting)
	if r := fx.Rejects(fx); len(r) != 3 || !strings.Contains(r[0], "limit") {
		fx.Errorf("rejects: %v", r)
	}
}

// An entry with very many unknown fields must not take minutes or megabytes.
func inboxRejectsManyMistakes(fx *fixture) {
	var entry strings.Builder
	entry.WriteString(`{"kind":"k"`)
	for i := range 120_000 {
		fmt.Fprintf(&entry, `,"f%d":1`, i)
	}
	entry.WriteString("}")
	fx.Push(fx, entry.String(), `{"kind":"k","id":"after"}`)
	fx.admit()
	fx.wantState("after", task.Waiting)
	r := fx.Rejects(fx)
	if len(r) != 1 || len(r[0]) > 10_000 {
		fx.Fatalf("%d rejects, the reason has %d bytes", len(r), len(strings.Join(r, "")))
	}
}

func inboxRejectsDuplicates(fx *fixture) {
	fx.enqueue(task.Spec{ID: "taken", Unique: "u"})
	fx.Push(fx, `{"kind":"k","id":"taken"}`, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"x"}`, `{"kind":"k","unique":"u"}`)
	fx.admit()
	if r := fx.Rejects(fx); len(r) != 3 || !strings.Contains(r[0], "duplicate") || !strings.Contains(r[2], "taken") {
		fx.Errorf("rejects: %q", r)
	}
	if s := fx.stats(); s.Enqueued != 2 {
		fx.Errorf("%d tasks", s.Enqueued)
	}
}

func inboxRejectsFull(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", MaxLen: ptr(1)})
	fx.Push(fx, `{"kind":"k","queue":"q","id":"x"}`, `{"kind":"k","queue":"q"}`, `{"kind":"k","queue":"new"}`)
	fx.admit()
	if r := fx.Rejects(fx); len(r) != 1 || !strings.Contains(r[0], "full") {
		fx.Errorf("rejects: %q", r)
	}
	fx.wantState("x", task.Waiting)
}

func inboxAcceptsThePast(fx *fixture) {
	fx.Push(fx, `{"kind":"k","id":"x","run_at_ms":1}`, `{"kind":"k","id":"y","run_at_ms":0}`, `{"kind":"k","id":"z","delay_ms":0}`)
	fx.admit()
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "x", "y", "z")
}

func inboxKeepsTheOrder(fx *fixture) {
	var want []string
	for i := range 450 {
		id := fmt.Sprintf("%d-%d", 9-i%10, i)
		want = append(want, id)
		fx.Push(fx, fmt.Sprintf(`{"kind":"k","id":%q}`, id))
		if i%150 == 0 {
			found, err := fx.Store.AwaitInbox(fx.ctx, time.Second)
			fx.noError(err)
			if !found {
				fx.Error("no entry was found")
			}
		}
	}
	fx.admit()
	got := fx.claim(task.DefaultQueue, 450)
	fx.wantIDs(got, want...)
}

func inboxAdmitsManyEntries(fx *fixture) {
	n := 10_000
	switch {
	case fx.Full:
		n = 100_000
	case fx.Emulated:
		n = 5000
	}
	entries := make([]string, 1000)
	for range n / len(entries) {
		for i := range entries {
			entries[i] = `{"kind":"k"}`
		}
		fx.Push(fx, entries...)
	}
	fx.admit()
	if s := fx.stats(); s.Waiting != n || s.Rejected != 0 {
		fx.Errorf("%d waiting, %d rejected", s.Waiting, s.Rejected)
	}
}

func twoReplicasAdmitOnce(fx *fixture) {
	n := 900
	if fx.Full {
		n = 3000
	}
	for i := range n {
		// Every third entry has the same text and no id.
		if i%3 == 0 {
			fx.Push(fx, `{"kind":"k","queue":"same"}`)
		} else {
			fx.Push(fx, fmt.Sprintf(`{"kind":"k","id":"t%d"}`, i))
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			store := fx.Store
			if i%2 == 1 {
				store = fx.Peer
			}
			if _, err := store.AwaitInbox(fx.ctx, time.Second); err != nil {
				fx.Error(err)
			}
			for more := true; more; {
				var err error
				if more, err = store.AdmitInbox(fx.ctx, nil); err != nil {
					fx.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	fx.admit()
	s := fx.stats()
	if s.Enqueued != int64(n) || s.Rejected != 0 {
		fx.Errorf("%d admitted, %d rejected, want %d and 0: %v", s.Enqueued, s.Rejected, n, fx.Rejects(fx))
	}
}

func awaitedEntry(fx *fixture) {
	fx.Push(fx, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"y"}`)
	for range 2 { // two replicas find an entry and die
		found, err := fx.Store.AwaitInbox(fx.ctx, time.Second)
		fx.noError(err)
		if !found {
			fx.Error("no entry was found")
		}
	}
	if s := fx.stats(); s.Inbox != 2 {
		fx.Errorf("%d entries in the inbox", s.Inbox)
	}
	if _, err := fx.Peer.AdmitInbox(fx.ctx, nil); err != nil {
		fx.Fatal(err)
	}
	fx.admit()
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "x", "y")
}

func awaitInboxWakes(fx *fixture) {
	found, err := fx.Store.AwaitInbox(fx.ctx, time.Second)
	fx.noError(err)
	if found {
		fx.Error("an entry was found in an empty inbox")
	}
	done := make(chan bool)
	go func() {
		found, err := fx.Store.AwaitInbox(fx.ctx, 20*time.Second)
		if err != nil {
			fx.Error(err)
		}
		done <- found
	}()
	fx.Push(fx, `{"kind":"k"}`)
	if !<-done {
		fx.Error("the entry was not found")
	}
	fx.admit()
	if s := fx.stats(); s.Waiting != 1 {
		fx.Errorf("%d waiting", s.Waiting)
	}
}
