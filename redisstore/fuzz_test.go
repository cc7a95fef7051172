package redisstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
)

// entryOf writes a spec as an inbox entry.
func entryOf(t *testing.T, s worker.Spec) []byte {
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
	set("timeout_ms", none, s.Timeout == worker.Forever)
	set("ttl_ms", s.TTL.Milliseconds(), s.TTL != 0)
	set("deadline_ms", s.Deadline.Milliseconds(), s.Deadline != 0)
	set("max_attempts", s.MaxAttempts, s.MaxAttempts != 0)
	set("backoff", s.Backoff.String(), s.Backoff != worker.Backoff{})
	if s.Retain != nil {
		set("retain_ms", s.Retain.Milliseconds(), *s.Retain != worker.Forever)
		set("retain_ms", forever, *s.Retain == worker.Forever)
	}
	set("headers", s.Headers, len(s.Headers) > 0)
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
			t.Errorf("accepted what the check refuses: %v", err)
		}
		if n := len(spec.Payload); n > 0 {
			if at < 0 || at+n > len(entry) || unsafe.SliceData(spec.Payload) != &entry[at] || !json.Valid(spec.Payload) {
				t.Errorf("the payload %q is not a part of the entry, at %d", spec.Payload, at)
			}
		}
		again, _, err := parseEntry(entryOf(t, spec))
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", spec, err)
		}
		// A marshaller may write a payload with other spaces and escapes.
		spec.Payload, again.Payload = nil, nil
		if len(spec.Headers) == 0 {
			spec.Headers = nil
		}
		if d := cmp.Diff(spec, again); d != "" {
			t.Errorf("the entry means something else when written again (-first +again):\n%s", d)
		}
	})
}

// nested makes a reply of the shapes that a client can get, from bytes.
func nested(b []byte, depth int) (any, []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	kind, b := b[0], b[1:]
	switch kind % 7 {
	case 0:
		return nil, b
	case 1:
		return fmt.Errorf("error %d", kind), b
	case 2:
		return float64(kind), b
	case 3:
		return kind > 128, b
	case 4:
		n := int64(0)
		for i := 0; i < 8 && len(b) > 0; i++ {
			n, b = n<<8|int64(b[0]), b[1:]
		}
		return n, b
	case 5:
		n := min(int(kind>>3), len(b))
		return string(b[:n]), b[n:]
	default:
		list := []any{}
		for n := int(kind >> 3); n > 0 && len(b) > 0 && depth < 6; n-- {
			var v any
			v, b = nested(b, depth+1)
			list = append(list, v)
		}
		return list, b
	}
}

func FuzzReplies(f *testing.F) {
	f.Add([]byte{}, "state", "waiting")
	f.Add([]byte{0xfe, 4, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0x2e, 0xd, 'x', 4, 0, 0, 0, 0, 0, 0, 0, 1,
		4, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 1}, "attempt", "x")
	f.Add([]byte{6, 0xfe, 0xfd}, "headers", "{")
	f.Add([]byte{0x3e}, "backoff", "fixed:1")
	f.Fuzz(func(t *testing.T, raw []byte, field, value string) {
		v, _ := nested(raw, 0)
		if c, err := decodeClaimed(v, worker.Claim{Replica: "r", Queue: "q"}); err == nil {
			for _, task := range c.Tasks {
				if task == nil || task.State != worker.Running {
					t.Errorf("task %+v", task)
				}
			}
		}
		readReply("report", v).verdicts(3)
		_, _ = decodeStats(v)
		flat := []string{field, value}
		if list, ok := v.([]any); ok {
			for _, item := range list {
				flat = append(flat, fmt.Sprint(item))
			}
		}
		if task := decodeTask("x", flat); task == nil || task.ID != "x" {
			t.Errorf("task %+v", task)
		}
		e := decodeEvent("1-1", map[string]any{field: value, "at": v, "meta": value})
		if e.Cursor != "1-1" || (e.ID == "") != (field != "id" || value == "") || e.ID == "" && e.Broken == nil {
			t.Errorf("event %+v", e)
		}
	})
}

func FuzzCursors(f *testing.F) {
	f.Add("1-2", "1-3")
	f.Add("0", "18446744073709551615-18446744073709551615")
	f.Add("-", "1-2-3")
	f.Fuzz(func(t *testing.T, a, b string) {
		ab, err := cursorBefore(a, b)
		if err != nil {
			return
		}
		ba, err := cursorBefore(b, a)
		if err != nil {
			t.Fatal("compares one way only: ", err)
		}
		if ab && ba {
			t.Errorf("%q and %q are before each other", a, b)
		}
		if same, _ := cursorBefore(a, a); same {
			t.Errorf("%q is before itself", a)
		}
	})
}

func TestBrokenFieldsAreToldAndTheOthersRead(t *testing.T) {
	for _, field := range [][2]string{
		{"attempt", "many"}, {"attempt", "-1"}, {"priority", "x"}, {"priority", "300"}, {"backoff", "linear:5"}, {"headers", "["},
		{"timeout_ms", "9223372036854775807"}, {"retain_ms", "for ever"}, {"created_at", "1e3"}, {"run", "1"}, {"run", "x 1 2 1 3 0 r"}, {"run", "1 1 2 now 3 0 r"},
	} {
		task := decodeTask("x", []string{"kind", "k", field[0], field[1], "max_attempts", "7"})
		if task.Kind != "k" || task.MaxAttempts != 7 || task.Broken == nil || !strings.Contains(task.Broken.Error(), field[0]) {
			t.Errorf("%s %q: kind %q, %d attempts, broken %v", field[0], field[1], task.Kind, task.MaxAttempts, task.Broken)
		}
	}
}

func TestBrokenFieldsOfAnEventAreToldAndTheOthersRead(t *testing.T) {
	for _, field := range [][2]string{
		{"attempt", "many"}, {"attempt", "-1"}, {"v", ""}, {"at", "soon"}, {"wait_ms", "1e3"}, {"run_ms", "9223372036854775807"},
		{"meta", "["}, {"meta", `{"a":"b","n":1}`}, {"result_bytes", "-1"},
	} {
		e := decodeEvent("1-1", map[string]any{"id": "x", "code": "ok", field[0]: field[1]})
		if e.Broken == nil || !strings.Contains(e.Broken.Error(), "1-1: field "+field[0]) {
			t.Errorf("%s %q: broken %v", field[0], field[1], e.Broken)
		}
		e.Broken = nil
		if d := cmp.Diff(worker.Event{Cursor: "1-1", ID: "x", Code: "ok"}, e); d != "" {
			t.Errorf("%s %q: (-want +got):\n%s", field[0], field[1], d)
		}
	}
	e := decodeEvent("1-1", map[string]any{"id": "x", "run_ms": "-5"})
	if e.Broken != nil || e.Run != -5*time.Millisecond {
		t.Errorf("the clock went back: ran %v, broken %v", e.Run, e.Broken)
	}
	if e := decodeEvent("1-1", map[string]any{"kind": "k"}); e.Broken == nil || e.Kind != "k" {
		t.Errorf("of no task: %+v", e)
	}
}

func TestTaskDecodesFromWhatASpecWrites(t *testing.T) {
	keep := worker.Forever
	for _, s := range []worker.Spec{
		{}, {Timeout: worker.Forever, Retain: &keep}, {Queue: "q", Priority: -128, Group: "g", Unique: "u", Timeout: time.Second, MaxAttempts: 4,
			Backoff: worker.Backoff{Fixed: true, Base: time.Second}, Headers: map[string]string{"a": "\"\n€"}},
	} {
		f, err := specFields(&s)
		if err != nil {
			t.Fatal(err)
		}
		var flat []string
		for _, v := range f {
			flat = append(flat, fmt.Sprint(v))
		}
		task := decodeTask("x", flat)
		if task.Broken != nil {
			t.Fatal(task.Broken)
		}
		s.ID = "x"
		if s.Queue == "" {
			s.Queue = worker.DefaultQueue
		}
		if d := cmp.Diff(s, task.Spec); d != "" {
			t.Errorf("(-written +read):\n%s", d)
		}
	}
}
