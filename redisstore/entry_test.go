package redisstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// entryOf encodes a spec as an inbox entry.
func entryOf(t *testing.T, s task.Spec) []byte {
	t.Helper()
	e := map[string]any{"kind": s.Kind}
	set := func(name string, v any, given bool) {
		if given {
			e[name] = v
		}
	}
	set("payload", json.RawMessage(s.Payload), len(s.Payload) > 0)
	set("id", s.ID, s.ID != "")
	set("queue", s.Queue, s.Queue != "")
	set("priority", s.Priority, s.Priority != 0)
	set("group", s.Group, s.Group != "")
	set("unique", s.Unique, s.Unique != "")
	set("delay_ms", s.Delay.Milliseconds(), s.Delay != 0)
	set("run_at_ms", s.RunAt.UnixMilli(), !s.RunAt.IsZero())
	set("timeout_ms", s.Timeout.Milliseconds(), s.Timeout != 0)
	set("timeout_ms", none, s.Timeout == task.Forever)
	set("ttl_ms", s.TTL.Milliseconds(), s.TTL != 0)
	set("deadline_ms", s.Deadline.Milliseconds(), s.Deadline != 0)
	set("max_attempts", s.MaxAttempts, s.MaxAttempts != 0)
	set("backoff", s.Backoff.String(), s.Backoff != task.Backoff{})
	if s.Retain != nil {
		set("retain_ms", s.Retain.Milliseconds(), *s.Retain != task.Forever)
		set("retain_ms", forever, *s.Retain == task.Forever)
	}
	set("headers", s.Headers, len(s.Headers) > 0)
	set("reply", true, s.Reply)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return text
}

func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{
		`{"kind":"email.send","payload":{"to":"a@b.c"}}`, `{"kind":"k","payload":[1,2.50,"\u0000"],"id":"x","priority":-128}`, `{}`, `[]`, "", "\x00",
		`{"kind":"k","delay_ms":5,"timeout_ms":"none","retain_ms":"forever","headers":{"a":"b"},"backoff":"exponential:1:2"}`,
		`{"kind":"k","kind":"l"}`, `{"kind":"k","payload":"` + "\xff" + `"}`, `{"kind":"k"} x`, `{"kind":"k","run_at_ms":0,"max_attempts":1}`,
		`{"kind":"发送","id":"a","unique":"a b?","reply":true}`, `{"kind":"k","reply":true}`, `{"kind":"e\u0301"}`, `{"kind":"k","unique":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		before := bytes.Clone(entry)
		spec, at, err := parseEntry(entry)
		if !bytes.Equal(entry, before) {
			t.Fatal("the entry was changed")
		}
		if err != nil {
			if err.Error() == "" {
				t.Error("rejected without a reason")
			}
			return
		}
		if err := spec.Check(); err != nil {
			t.Errorf("accepted a spec that the check refuses: %v", err)
		}
		if n := len(spec.Payload); n > 0 {
			if at < 0 || at+n > len(entry) || unsafe.SliceData(spec.Payload) != &entry[at] || !json.Valid(spec.Payload) || !utf8.Valid(spec.Payload) {
				t.Errorf("the payload %q is not a part of the entry, at %d", spec.Payload, at)
			}
		}
		again, _, err := parseEntry(entryOf(t, spec))
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", spec, err)
		}
		// A marshaller may encode a payload with other spaces and escapes.
		spec.Payload, again.Payload = nil, nil
		if len(spec.Headers) == 0 {
			spec.Headers = nil
		}
		if d := cmp.Diff(spec, again); d != "" {
			t.Errorf("the entry changed its meaning when written again (-first +again):\n%s", d)
		}
	})
}

func TestEntryThatIsNotUTF8IsInvalid(t *testing.T) {
	for _, e := range []string{
		"{\"kind\":\"k\",\"payload\":\"\xff\"}", "{\"kind\":\"k\",\"payload\":{\"\xc3\":1}}", "{\"kind\":\"k\",\"headers\":{\"a\":\"\xff\"}}",
		"{\"kind\":\"k\xff\"}", "{\"kind\":\"k\"}\xff", "\xff", "{\"kind\":\"k\",\"payload\":\"\xed\xa0\x80\"}",
	} {
		if _, err := ParseEntry([]byte(e)); err == nil || err.Error() != "must be valid UTF-8" {
			t.Errorf("%q: %v", e, err)
		}
	}
	// A replica replies to the producer of such an entry.
	if s, err := ParseEntry([]byte("{\"kind\":\"k\",\"payload\":\"\xff\",\"id\":\"a\",\"reply\":true}")); err == nil || s.ID != "a" || !s.Reply {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := ParseEntry([]byte(`{"kind":"k","payload":"é\ud800"}`)); err != nil || string(s.Payload) != `"é\ud800"` {
		t.Errorf("payload %q, %v", s.Payload, err)
	}
}

// Escapes of half a character are replaced when they are decoded. Two unique keys would become
// equal, and a header would change.
func TestEntryWithHalfACharacterIsInvalid(t *testing.T) {
	for _, c := range []struct {
		text string
		half string // "" for valid
	}{
		{`\ud83d\ude80`, ""}, {`\\ud800`, ""}, {`\\\\udc00`, ""}, {`\ufffd`, ""}, {`\u0000`, ""}, {`\ud7ff\ue000`, ""},
		{`\ud800`, `\ud800`}, {`x\uDBFFy`, `\uDBFF`}, {`\udc00`, `\udc00`}, {`\ude80\ud83d`, `\ude80`}, {`\ud83d\ud83d\ude80`, `\ud83d`},
		{`\\\uD800`, `\uD800`}, {`\ud800\u0041`, `\ud800`},
	} {
		for field, format := range map[string]string{
			"unique":  `{"kind":"k","unique":"%s"}`,
			"headers": `{"kind":"k","headers":{"a":"%s"}}`,
			"key":     `{"kind":"k","headers":{"%s":"a"}}`,
			"payload": `{"kind":"k","payload":"%s"}`,
		} {
			_, err := ParseEntry([]byte(fmt.Sprintf(format, c.text)))
			want := c.half != "" && field != "payload"
			if (err != nil) != want || want && !strings.Contains(err.Error(), c.half+", which is half a character") {
				t.Errorf("%s: %s: %v", field, c.text, err)
			}
		}
	}
}

func TestNamesOfAnEntryAreOfAnyScript(t *testing.T) {
	s, err := ParseEntry([]byte(`{"kind":"发送.邮件","id":"क-४२","queue":"คิวที่๑","group":"عميل","unique":"https://x.y/?a=1&b=2"}`))
	if want := (task.Spec{Kind: "发送.邮件", ID: "क-४२", Queue: "คิวที่๑", Group: "عميل", Unique: "https://x.y/?a=1&b=2"}); err != nil || cmp.Diff(want, s) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(want, s))
	}
	for _, field := range []string{"kind", "id", "queue", "group"} {
		for _, name := range []string{"🚀", "a\u3164", "a\ufe0f", "e\u0301", strings.Repeat("é", 65)} {
			entry := fmt.Sprintf(`{"kind":"k",%q:%q}`, field, name)
			if field == "kind" {
				entry = fmt.Sprintf(`{"kind":%q}`, name)
			}
			var f *task.FieldError
			if _, err := ParseEntry([]byte(entry)); !errors.As(err, &f) || f.Field != field {
				t.Errorf("%s: %v", entry, err)
			}
		}
	}
}

func TestReplyOfAnEntryNeedsAnID(t *testing.T) {
	for entry, says := range map[string]string{
		`{"kind":"k","id":"a","reply":true}`:   "",
		`{"kind":"k","id":"a","reply":false}`:  "",
		`{"kind":"k","reply":false}`:           "",
		`{"kind":"k","reply":true}`:            "reply needs an id: the reply list is named after it",
		`{"kind":"k","id":"","reply":true}`:    "reply needs an id: the reply list is named after it",
		`{"kind":"k","id":"a","reply":"true"}`: "reply must be true or false",
		`{"kind":"k","id":"a","reply":1}`:      "reply must be true or false",
		`{"kind":"k","id":"a","reply":null}`:   "reply must be true or false",
	} {
		s, err := ParseEntry([]byte(entry))
		if (err == nil) != (says == "") || err != nil && err.Error() != says {
			t.Errorf("%s: %v", entry, err)
		}
		if err == nil && s.Reply != strings.Contains(entry, "true") {
			t.Errorf("%s: reply %v", entry, s.Reply)
		}
	}
}
