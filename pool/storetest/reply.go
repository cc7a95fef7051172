package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of reply lists. Each is tried with tasks from the inbox and from
// Enqueue.
var replyRules = []rule{
	{"OutcomeIsPushedOnceToTheReplyList", outcomeIsPushedOnce},
	{"RetriesAndReleasesPushNoReply", retriesPushNoReply},
	{"NextGenerationPushesNoReply", nextGenerationPushesNoReply},
	{"ResultTravelsInTheReply", resultInTheReply},
	{"EveryReplyIsJSON", everyReplyIsJSON},
	{"RejectionIsPushedOnceToTheReplyList", rejectionIsPushedOnce},
	{"AdmissionClearsAnOldReply", admissionClearsAnOldReply},
	{"LiveDuplicateIsAnsweredAtTheEnd", liveDuplicateIsAnswered},
	{"KeptDuplicateIsAnsweredAtOnce", keptDuplicateIsAnswered},
	{"ReplyNeedsAnID", replyNeedsAnID},
	{"NoReplyWithoutAskingForOne", noReply},
}

// reply is one element of a reply list.
type reply struct {
	ID          string          `json:"id"`
	State       string          `json:"state"`
	Code        string          `json:"code"`
	Error       string          `json:"error"`
	Result      json.RawMessage `json:"result"`
	ResultText  *string         `json:"result_text"`
	ResultBytes int             `json:"result_bytes"`
}

// wantReply checks that the id has one reply, which expires.
func (b *bundle) wantReply(id, state, code string) reply {
	b.Helper()
	texts, expires := b.Replies(b, id)
	if len(texts) != 1 {
		b.Fatalf("%s has the replies %v, want one", id, texts)
	}
	if expires > 10*time.Minute || expires < 9*time.Minute {
		b.Errorf("the reply of %s expires in %v", id, expires)
	}
	var r reply
	if err := json.Unmarshal([]byte(texts[0]), &r); err != nil {
		b.Fatalf("reply %q: %v", texts[0], err)
	}
	if r.ID != id || r.State != state || r.Code != code {
		b.Errorf("reply %s, want one of %s: %s %s", texts[0], id, state, code)
	}
	return r
}

func (b *bundle) wantNoReply(id string) {
	b.Helper()
	if texts, _ := b.Replies(b, id); len(texts) > 0 {
		b.Errorf("%s has the replies %v", id, texts)
	}
}

// bothWays calls f with two functions that each make a task with a reply: by
// Enqueue and through the inbox.
func (b *bundle) bothWays(f func(prefix string, enqueue func(id, fields string))) {
	b.Helper()
	f("e", func(id, fields string) {
		s := task.Spec{ID: id, Reply: true}
		if strings.Contains(fields, `"delay_ms"`) {
			s.Delay = time.Hour
		}
		if strings.Contains(fields, `"ttl_ms"`) {
			s.TTL = time.Millisecond
		}
		if strings.Contains(fields, `"max_attempts"`) {
			s.MaxAttempts = 2
		}
		b.enqueue(s)
	})
	f("i", func(id, fields string) {
		b.Push(b, fmt.Sprintf(`{"kind":"k","id":%q,"reply":true%s}`, id, fields))
		b.admit()
	})
}

// next claims the one task that waits.
func (b *bundle) next(id string) *task.Task {
	b.Helper()
	got := b.claim(task.DefaultQueue, 1)
	b.wantIDs(got, id)
	return got[0]
}

func outcomeIsPushedOnce(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		id := func(s string) string { return prefix + "-" + s }
		enqueue(id("ok"), "")
		t := b.next(id("ok"))
		b.wantNoReply(t.ID)
		b.accept(succeed(t))
		b.verdict(succeed(t), task.Gone)
		if r := b.wantReply(t.ID, "succeeded", ""); r.Error != "" || r.Result != nil || r.ResultBytes != 0 {
			b.Errorf("reply %+v", r)
		}
		enqueue(id("failed"), "")
		b.accept(fail(b.next(id("failed")), task.CodePermanent))
		if r := b.wantReply(id("failed"), "failed", "permanent"); r.Error != "it broke" {
			b.Errorf("reply %+v", r)
		}
		enqueue(id("stopped"), `,"delay_ms":3600000`)
		b.stop(id("stopped"))
		if r := b.wantReply(id("stopped"), "stopped", "stopped"); r.Error != "enough" {
			b.Errorf("reply %+v", r)
		}
		enqueue(id("running"), "")
		t = b.next(id("running"))
		b.stop(t.ID)
		b.wantNoReply(t.ID)
		b.accept(fail(t, task.CodeStopped))
		b.wantReply(t.ID, "stopped", "stopped")
		enqueue(id("late"), `,"delay_ms":3600000,"ttl_ms":1`)
		b.passes(time.Millisecond)
		b.maintain()
		b.wantReply(id("late"), "expired", "expired")
	})
}

func retriesPushNoReply(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		enqueue(prefix, `,"max_attempts":2`)
		for _, end := range []func(t *task.Task){
			func(t *task.Task) { b.accept(failIn(t, 0)) },
			func(t *task.Task) { b.accept(release(t, 0)) },
			func(t *task.Task) { b.lose(t) },
		} {
			end(b.next(prefix))
			b.wantNoReply(prefix)
		}
		b.accept(failIn(b.next(prefix), 0))
		b.wantReply(prefix, "failed", "error")
	})
}

func nextGenerationPushesNoReply(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		enqueue(prefix, "")
		b.accept(fail(b.next(prefix), task.CodePermanent))
		b.wantReply(prefix, "failed", "permanent")
		b.retry(prefix)
		b.accept(succeed(b.next(prefix)))
		b.wantReply(prefix, "failed", "permanent")
	})
}

func resultInTheReply(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		for i, result := range []string{"3", `{"a":[1,2.50,"é"],"big":12345678901234567890123}`, `""`, "null", `"` + strings.Repeat("x", 65534) + `"`} {
			id := fmt.Sprint(prefix, i)
			enqueue(id, "")
			r := succeed(b.next(id))
			r.Result = []byte(result)
			b.accept(r)
			if got := b.wantReply(id, "succeeded", ""); string(got.Result) != result || got.ResultBytes != 0 {
				b.Errorf("the result is %.60q and %d bytes, want %.60q", got.Result, got.ResultBytes, result)
			}
		}
		for i, result := range []string{`"` + strings.Repeat("x", 65535) + `"`, "\xff\x00", strings.Repeat("\xff", task.MaxResult)} {
			id := fmt.Sprint(prefix, "-long", i)
			enqueue(id, "")
			r := succeed(b.next(id))
			r.Result = []byte(result)
			b.accept(r)
			if got := b.wantReply(id, "succeeded", ""); got.Result != nil || got.ResultBytes != len(result) {
				b.Errorf("a result of %d bytes: %.60q, %d bytes", len(result), got.Result, got.ResultBytes)
			}
		}
	})
}

// A result that is no JSON travels as a string, one that is no text as its length.
func everyReplyIsJSON(b *bundle) {
	for i, c := range []struct {
		result string
		is     string
	}{
		{"", "text"}, {"plain text", "text"}, {"\"quoted\"\\ \n\x01 é €", "text"}, {"[1,]", "text"}, {"{\"a\":1} x", "text"}, {"NaN", "text"}, {"Infinity", "text"},
		{"\"a\nb\"", "text"}, {"\"a\x01b\"", "text"}, {"1.", "text"}, {"[.5]", "text"}, {"01", "text"}, {"0x10", "text"}, {"+1", "text"}, {"'a'", "text"}, {"\x00\x00", "text"},
		{"{\"a\":1}\x00", "text"}, {" [1 , 2]\n", "json"}, {"-0.5e+10", "json"}, {`"\ud800"`, "json"}, {strings.Repeat("[", 500) + strings.Repeat("]", 500), "json"},
		{"{\"a\":1,\"a\":2}", "json"}, {"true", "json"}, {"\xff", "bytes"}, {"\"\xc3\"", "bytes"},
	} {
		id := fmt.Sprint("t", i)
		b.enqueue(task.Spec{ID: id, Reply: true})
		r := succeed(b.next(id))
		r.Result = []byte(c.result)
		b.accept(r)
		texts, _ := b.Replies(b, id)
		if len(texts) != 1 || !json.Valid([]byte(texts[0])) {
			b.Errorf("result %.40q: replies %.200q", c.result, texts)
			continue
		}
		got := b.wantReply(id, "succeeded", "")
		if json := c.is == "json" && string(got.Result) != strings.TrimSpace(c.result); json || c.is != "json" && got.Result != nil {
			b.Errorf("result %.40q is %.40q", c.result, got.Result)
		}
		if text := got.ResultText; (text != nil) != (c.is == "text") || text != nil && *text != c.result {
			b.Errorf("result %.40q has the text %v", c.result, got.ResultText)
		}
		if (got.ResultBytes > 0) != (c.is == "bytes") {
			b.Errorf("result %.40q is said to have %d bytes", c.result, got.ResultBytes)
		}
	}
}

func rejectionIsPushedOnce(b *bundle) {
	b.configure(task.Setting{Scope: task.QueueScope, Name: "full", MaxLen: ptr(1)})
	b.enqueueAll(task.Spec{Queue: "full"}, task.Spec{ID: "holder", Unique: "u"})
	b.Push(b, `{"kind":"k","id":"a","reply":true,"queue":"full"}`, `{"kind":"k","id":"b","reply":true,"unique":"u"}`,
		`{"kind":"k","id":"c","reply":true,"priority":1000}`, `{"kind":"k","id":"d","reply":true,"colour":"red"}`)
	b.admit()
	for id, code := range map[string]string{"a": "queue_full", "b": "duplicate", "c": "invalid", "d": "invalid"} {
		if r := b.wantReply(id, "rejected", code); r.Error == "" {
			b.Errorf("reply %+v", r)
		}
		b.wantNoTrace(id)
	}
	if n := len(b.Rejects(b)); n != 4 {
		b.Errorf("%d rejects", n)
	}
	b.accept(succeed(b.next("holder")))
	b.wantReply("b", "rejected", "duplicate")
}

func admissionClearsAnOldReply(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		for range 2 {
			enqueue(prefix, "")
			b.wantNoReply(prefix)
			b.accept(succeed(b.next(prefix))) // and removed
			b.wantReply(prefix, "succeeded", "")
		}
	})
	b.configure(task.Setting{Scope: task.QueueScope, Name: "full", MaxLen: ptr(1)})
	b.enqueueAll(task.Spec{Queue: "full"})
	b.Push(b, `{"kind":"k","id":"x","reply":true,"queue":"full"}`)
	b.admit()
	b.wantReply("x", "rejected", "queue_full")
	b.Push(b, `{"kind":"k","id":"x","reply":true}`)
	b.admit()
	b.accept(succeed(b.next("x")))
	b.wantReply("x", "succeeded", "")
}

func liveDuplicateIsAnswered(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		for i, asked := range []bool{false, true} {
			id := fmt.Sprint(prefix, i)
			b.enqueue(task.Spec{ID: id, Reply: asked})
			enqueue(id, "") // while it waits
			t := b.next(id)
			enqueue(id, "") // while it runs
			b.wantNoReply(id)
			b.accept(succeed(t))
			b.wantReply(id, "succeeded", "")
			b.wantNoTrace(id)
		}
		// Of the running task the flag says that its end is a plain one.
		id := prefix + "-running"
		b.enqueue(task.Spec{ID: id})
		t := b.next(id)
		enqueue(id, "")
		b.accept(release(t, 0))
		b.wantNoReply(id)
		b.accept(succeed(b.next(id)))
		b.wantReply(id, "succeeded", "")
		b.wantNoTrace(id)
	})
	b.Push(b, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"x","reply":true}`, `{"kind":"k","id":"y","reply":true}`, `{"kind":"k","id":"y","reply":true}`)
	b.admit()
	b.accept(succeedAll(b.claim(task.DefaultQueue, 2))...)
	b.wantReply("x", "succeeded", "")
	b.wantReply("y", "succeeded", "")
}

func keptDuplicateIsAnswered(b *bundle) {
	b.bothWays(func(prefix string, enqueue func(id, fields string)) {
		t := b.start(task.Spec{ID: prefix})
		r := succeed(t)
		r.Result = []byte(`{"kept":true}`)
		b.accept(r)
		b.wantNoReply(prefix)
		for range 2 { // the second push repeats the first, whose answer was lost
			enqueue(prefix, "")
			if got := b.wantReply(prefix, "succeeded", ""); string(got.Result) != `{"kept":true}` {
				b.Errorf("reply %+v", got)
			}
		}
		failed := prefix + "-failed"
		b.accept(fail(b.start(task.Spec{ID: failed, Reply: true}), task.CodePermanent))
		b.wantReply(failed, "failed", "permanent")
		enqueue(failed, "")
		if got := b.wantReply(failed, "failed", "permanent"); got.Error != "it broke" {
			b.Errorf("reply %+v", got)
		}
	})
}

func replyNeedsAnID(b *bundle) {
	if _, err := b.Store.Enqueue(b.ctx, []task.Spec{{Kind: "k", Reply: true}}); err == nil {
		b.Error("a spec with a reply and without an id is accepted")
	}
	b.Push(b, `{"kind":"k","reply":true}`, `{"kind":"k","reply":1,"id":"x"}`, `{"kind":"k","reply":false,"id":"y"}`)
	b.admit()
	if r := b.Rejects(b); len(r) != 2 || !strings.Contains(r[0], "reply") || !strings.Contains(r[1], "reply") {
		b.Errorf("rejects: %q", r)
	}
	b.accept(succeed(b.next("y")))
	b.wantNoReply("y")
}

func noReply(b *bundle) {
	b.Push(b, `{"kind":"k","id":"x","reply":true}`, `{"kind":"k","id":"y"}`)
	b.admit()
	b.enqueue(task.Spec{ID: "z"})
	var got []string
	for _, t := range b.claim(task.DefaultQueue, 9) {
		b.accept(succeed(t))
		if texts, _ := b.Replies(b, t.ID); len(texts) > 0 {
			got = append(got, t.ID)
		}
	}
	if d := cmp.Diff([]string{"x"}, got); d != "" {
		b.Error("ids with replies (-want +got):\n", d)
	}
}
