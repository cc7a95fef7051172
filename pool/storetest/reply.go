package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// The rules of reply lists. Each is tested with tasks from the inbox and from Enqueue.
var replyRules = []rule{
	{"OutcomeIsPushedOnceToTheReplyList", outcomeIsPushedOnce},
	{"RetriesAndReleasesPushNoReply", retriesPushNoReply},
	{"NextGenerationPushesNoReply", nextGenerationPushesNoReply},
	{"ReplyContainsTheResult", replyContainsTheResult},
	{"EveryReplyIsJSON", everyReplyIsJSON},
	{"RejectionIsPushedOnceToTheReplyList", rejectionIsPushedOnce},
	{"AdmissionClearsAnOldReply", admissionClearsAnOldReply},
	{"LiveDuplicateIsAnsweredAtTheEnd", liveDuplicateIsAnswered},
	{"KeptDuplicateIsAnsweredAtOnce", keptDuplicateIsAnswered},
	{"ReplyNeedsAnID", replyNeedsAnID},
	{"NoReplyUnlessRequested", noReply},
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

// wantReply checks that the id has one reply, and that it expires.
func (fx *fixture) wantReply(id, state, code string) reply {
	fx.Helper()
	texts, expires := fx.Replies(fx, id)
	if len(texts) != 1 {
		fx.Fatalf("%s has the replies %v, want one", id, texts)
	}
	if expires > 10*time.Minute || expires < 9*time.Minute {
		fx.Errorf("the reply of %s expires in %v", id, expires)
	}
	var r reply
	if err := json.Unmarshal([]byte(texts[0]), &r); err != nil {
		fx.Fatalf("reply %q: %v", texts[0], err)
	}
	if r.ID != id || r.State != state || r.Code != code {
		fx.Errorf("reply %s, want one of %s: %s %s", texts[0], id, state, code)
	}
	return r
}

func (fx *fixture) wantNoReply(id string) {
	fx.Helper()
	if texts, _ := fx.Replies(fx, id); len(texts) > 0 {
		fx.Errorf("%s has the replies %v", id, texts)
	}
}

// forBothPaths calls f twice with a function that makes a task with a reply: by
// Enqueue, and through the inbox.
func (fx *fixture) forBothPaths(f func(prefix string, enqueue func(id, fields string))) {
	fx.Helper()
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
		fx.enqueue(s)
	})
	f("i", func(id, fields string) {
		fx.Push(fx, fmt.Sprintf(`{"kind":"k","id":%q,"reply":true%s}`, id, fields))
		fx.admit()
	})
}

// next claims the only waiting task.
func (fx *fixture) next(id string) *task.Task {
	fx.Helper()
	got := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(got, id)
	return got[0]
}

func outcomeIsPushedOnce(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		id := func(s string) string { return prefix + "-" + s }
		enqueue(id("ok"), "")
		t := fx.next(id("ok"))
		fx.wantNoReply(t.ID)
		fx.accept(succeed(t))
		fx.verdict(succeed(t), task.Gone)
		if r := fx.wantReply(t.ID, "succeeded", ""); r.Error != "" || r.Result != nil || r.ResultBytes != 0 {
			fx.Errorf("reply %+v", r)
		}
		enqueue(id("failed"), "")
		fx.accept(fail(fx.next(id("failed")), task.CodePermanent))
		if r := fx.wantReply(id("failed"), "failed", "permanent"); r.Error != "it broke" {
			fx.Errorf("reply %+v", r)
		}
		enqueue(id("stopped"), `,"delay_ms":3600000`)
		fx.stop(id("stopped"))
		if r := fx.wantReply(id("stopped"), "stopped", "stopped"); r.Error != "enough" {
			fx.Errorf("reply %+v", r)
		}
		enqueue(id("running"), "")
		t = fx.next(id("running"))
		fx.stop(t.ID)
		fx.wantNoReply(t.ID)
		fx.accept(fail(t, task.CodeStopped))
		fx.wantReply(t.ID, "stopped", "stopped")
		enqueue(id("late"), `,"ttl_ms":1`)
		fx.waitPast(time.Millisecond)
		fx.maintain()
		fx.wantReply(id("late"), "expired", "expired")
	})
}

func retriesPushNoReply(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		enqueue(prefix, `,"max_attempts":2`)
		for _, end := range []func(t *task.Task){
			func(t *task.Task) { fx.accept(failIn(t, 0)) },
			func(t *task.Task) { fx.accept(release(t, 0)) },
			func(t *task.Task) { fx.loseLeases(t) },
		} {
			end(fx.next(prefix))
			fx.wantNoReply(prefix)
		}
		fx.accept(failIn(fx.next(prefix), 0))
		fx.wantReply(prefix, "failed", "error")
	})
}

func nextGenerationPushesNoReply(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		enqueue(prefix, "")
		fx.accept(fail(fx.next(prefix), task.CodePermanent))
		fx.wantReply(prefix, "failed", "permanent")
		fx.retry(prefix)
		fx.accept(succeed(fx.next(prefix)))
		fx.wantReply(prefix, "failed", "permanent")
	})
}

func replyContainsTheResult(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		for i, result := range []string{"3", `{"a":[1,2.50,"é"],"big":12345678901234567890123}`, `""`, "null", `"` + strings.Repeat("x", 65534) + `"`} {
			id := fmt.Sprint(prefix, i)
			enqueue(id, "")
			r := succeed(fx.next(id))
			r.Result = []byte(result)
			fx.accept(r)
			if got := fx.wantReply(id, "succeeded", ""); string(got.Result) != result || got.ResultBytes != 0 {
				fx.Errorf("the result is %.60q and %d bytes, want %.60q", got.Result, got.ResultBytes, result)
			}
		}
		for i, result := range []string{`"` + strings.Repeat("x", 65535) + `"`, "\xff\x00", strings.Repeat("\xff", task.MaxResult)} {
			id := fmt.Sprint(prefix, "-long", i)
			enqueue(id, "")
			r := succeed(fx.next(id))
			r.Result = []byte(result)
			fx.accept(r)
			if got := fx.wantReply(id, "succeeded", ""); got.Result != nil || got.ResultBytes != len(result) {
				fx.Errorf("a result of %d bytes: %.60q, %d bytes", len(result), got.Result, got.ResultBytes)
			}
		}
	})
}

// A reply contains a result that is not JSON as a string, and the length of one that is
// not text.
func everyReplyIsJSON(fx *fixture) {
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
		fx.enqueue(task.Spec{ID: id, Reply: true})
		r := succeed(fx.next(id))
		r.Result = []byte(c.result)
		fx.accept(r)
		texts, _ := fx.Replies(fx, id)
		if len(texts) != 1 || !json.Valid([]byte(texts[0])) {
			fx.Errorf("result %.40q: replies %.200q", c.result, texts)
			continue
		}
		got := fx.wantReply(id, "succeeded", "")
		if json := c.is == "json" && string(got.Result) != strings.TrimSpace(c.result); json || c.is != "json" && got.Result != nil {
			fx.Errorf("result %.40q is %.40q", c.result, got.Result)
		}
		if text := got.ResultText; (text != nil) != (c.is == "text") || text != nil && *text != c.result {
			fx.Errorf("result %.40q has the text %v", c.result, got.ResultText)
		}
		if (got.ResultBytes > 0) != (c.is == "bytes") {
			fx.Errorf("result %.40q is said to have %d bytes", c.result, got.ResultBytes)
		}
	}
}

func rejectionIsPushedOnce(fx *fixture) {
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "full", MaxLen: ptr(1)})
	fx.enqueueAll(task.Spec{Queue: "full"}, task.Spec{ID: "holder", Unique: "u"})
	fx.Push(fx, `{"kind":"k","id":"a","reply":true,"queue":"full"}`, `{"kind":"k","id":"b","reply":true,"unique":"u"}`,
		`{"kind":"k","id":"c","reply":true,"priority":1000}`, `{"kind":"k","id":"d","reply":true,"colour":"red"}`)
	fx.admit()
	for id, code := range map[string]string{"a": "queue_full", "b": "duplicate", "c": "invalid", "d": "invalid"} {
		if r := fx.wantReply(id, "rejected", code); r.Error == "" {
			fx.Errorf("reply %+v", r)
		}
		fx.wantNoTrace(id)
	}
	if n := len(fx.Rejects(fx)); n != 4 {
		fx.Errorf("%d rejects", n)
	}
	fx.accept(succeed(fx.next("holder")))
	fx.wantReply("b", "rejected", "duplicate")
}

func admissionClearsAnOldReply(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		for range 2 {
			enqueue(prefix, "")
			fx.wantNoReply(prefix)
			fx.accept(succeed(fx.next(prefix))) // which removes the task
			fx.wantReply(prefix, "succeeded", "")
		}
	})
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "full", MaxLen: ptr(1)})
	fx.enqueueAll(task.Spec{Queue: "full"})
	fx.Push(fx, `{"kind":"k","id":"x","reply":true,"queue":"full"}`)
	fx.admit()
	fx.wantReply("x", "rejected", "queue_full")
	fx.Push(fx, `{"kind":"k","id":"x","reply":true}`)
	fx.admit()
	fx.accept(succeed(fx.next("x")))
	fx.wantReply("x", "succeeded", "")
}

func liveDuplicateIsAnswered(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		for i, asked := range []bool{false, true} {
			id := fmt.Sprint(prefix, i)
			fx.enqueue(task.Spec{ID: id, Reply: asked})
			enqueue(id, "") // while it waits
			t := fx.next(id)
			enqueue(id, "") // while it runs
			fx.wantNoReply(id)
			fx.accept(succeed(t))
			fx.wantReply(id, "succeeded", "")
			fx.wantNoTrace(id)
		}
		// A running task keeps the flag in its run entry.
		id := prefix + "-running"
		fx.enqueue(task.Spec{ID: id})
		t := fx.next(id)
		enqueue(id, "")
		fx.accept(release(t, 0))
		fx.wantNoReply(id)
		fx.accept(succeed(fx.next(id)))
		fx.wantReply(id, "succeeded", "")
		fx.wantNoTrace(id)
	})
	fx.Push(fx, `{"kind":"k","id":"x"}`, `{"kind":"k","id":"x","reply":true}`, `{"kind":"k","id":"y","reply":true}`, `{"kind":"k","id":"y","reply":true}`)
	fx.admit()
	fx.accept(succeedAll(fx.claim(task.DefaultQueue, 2))...)
	fx.wantReply("x", "succeeded", "")
	fx.wantReply("y", "succeeded", "")
}

func keptDuplicateIsAnswered(fx *fixture) {
	fx.forBothPaths(func(prefix string, enqueue func(id, fields string)) {
		t := fx.start(task.Spec{ID: prefix})
		r := succeed(t)
		r.Result = []byte(`{"kept":true}`)
		fx.accept(r)
		fx.wantNoReply(prefix)
		for range 2 { // the second push repeats the first one, as after a lost answer
			enqueue(prefix, "")
			if got := fx.wantReply(prefix, "succeeded", ""); string(got.Result) != `{"kept":true}` {
				fx.Errorf("reply %+v", got)
			}
		}
		failed := prefix + "-failed"
		fx.accept(fail(fx.start(task.Spec{ID: failed, Reply: true}), task.CodePermanent))
		fx.wantReply(failed, "failed", "permanent")
		enqueue(failed, "")
		if got := fx.wantReply(failed, "failed", "permanent"); got.Error != "it broke" {
			fx.Errorf("reply %+v", got)
		}
	})
}

func replyNeedsAnID(fx *fixture) {
	if _, err := fx.Store.Enqueue(fx.ctx, []task.Spec{{Kind: "k", Reply: true}}); err == nil {
		fx.Error("a spec with a reply and without an id is accepted")
	}
	fx.Push(fx, `{"kind":"k","reply":true}`, `{"kind":"k","reply":1,"id":"x"}`, `{"kind":"k","reply":false,"id":"y"}`)
	fx.admit()
	if r := fx.Rejects(fx); len(r) != 2 || !strings.Contains(r[0], "reply") || !strings.Contains(r[1], "reply") {
		fx.Errorf("rejects: %q", r)
	}
	fx.accept(succeed(fx.next("y")))
	fx.wantNoReply("y")
}

func noReply(fx *fixture) {
	fx.Push(fx, `{"kind":"k","id":"x","reply":true}`, `{"kind":"k","id":"y"}`)
	fx.admit()
	fx.enqueue(task.Spec{ID: "z"})
	var got []string
	for _, t := range fx.claim(task.DefaultQueue, 9) {
		fx.accept(succeed(t))
		if texts, _ := fx.Replies(fx, t.ID); len(texts) > 0 {
			got = append(got, t.ID)
		}
	}
	if d := cmp.Diff([]string{"x"}, got); d != "" {
		fx.Error("ids with replies (-want +got):\n", d)
	}
}
