package console

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// spec reads the task of a form.
func (f *form) spec() task.Spec {
	s := task.Spec{
		Kind: f.text("kind"), Queue: f.text("queue"), Group: f.text("group"), ID: f.text("id"), Unique: f.text("unique"), Payload: []byte(f.body("payload")),
		Priority: int8(f.whole("priority", -128, 127)), Labels: strings.Fields(f.text("labels")), Headers: f.pairs("headers"),
		Delay: f.span("delay", ""), RunAt: f.moment("run_at", time.UTC), Hold: f.checked("hold"), FailOnLimit: f.text("on_limit") == "fail",
		Timeout: f.span("timeout", "none"), TTL: f.span("ttl", ""), Deadline: f.span("deadline", ""), MaxAttempts: int(f.whole("max_attempts", 1, task.MaxMaxAttempts)),
		Shards: int(f.whole("shards", 1, task.MaxShards)), ShardParams: f.list("shard_params"), Broadcast: f.checked("broadcast"), FailFast: f.checked("fail_fast"),
	}
	if f.text("retain") != "" {
		retain := f.span("retain", "forever")
		s.Retain = &retain
	}
	var err error
	if s.Backoff, err = task.ParseBackoff(f.text("backoff")); err != nil {
		f.wrong("backoff", "%v", err)
	}
	if text := f.text("then"); text != "" {
		s.Then = f.then(text)
	}
	return s
}

// then reads the task that follows: JSON with the fields of an inbox entry.
func (f *form) then(text string) *task.Spec {
	if !json.Valid([]byte(text)) {
		f.wrong("then", "must be a JSON object with the fields of a task, such as {\"kind\":\"report\"}")
		return nil
	}
	def, err := trigger.Decode([]byte(`{"task":{"kind":"k","then":` + text + `}}`))
	if err != nil {
		for _, e := range task.FieldErrors(err) {
			f.wrong("then", "%s %s", strings.TrimPrefix(e.Field, "task.then."), e.Msg)
		}
		return nil
	}
	return def.Task.Then
}

// specValues returns the fields of a form that make the task.
func specValues(s *task.Spec) map[string]string {
	v := map[string]string{
		"kind": s.Kind, "queue": s.Queue, "group": s.Group, "unique": s.Unique, "payload": string(s.Payload), "labels": strings.Join(s.Labels, " "),
		"headers": pairsText(s.Headers), "delay": spanText(s.Delay, ""), "timeout": spanText(s.Timeout, "none"), "ttl": spanText(s.TTL, ""),
		"deadline": spanText(s.Deadline, ""), "backoff": s.Backoff.String(), "shard_params": listText(s.ShardParams),
	}
	number := func(name string, n int) {
		if n != 0 {
			v[name] = strconv.Itoa(n)
		}
	}
	number("priority", int(s.Priority))
	number("max_attempts", s.MaxAttempts)
	if len(s.ShardParams) == 0 {
		number("shards", s.Shards)
	}
	for name, set := range map[string]bool{"hold": s.Hold, "broadcast": s.Broadcast, "fail_fast": s.FailFast} {
		if set {
			v[name] = "1"
		}
	}
	if s.FailOnLimit {
		v["on_limit"] = "fail"
	}
	if s.Retain != nil {
		v["retain"] = spanText(*s.Retain, "forever")
		if *s.Retain == 0 {
			v["retain"] = "0s"
		}
	}
	if s.Then != nil {
		v["then"] = thenText(s.Then)
	}
	return v
}

// thenText returns the JSON of a task that follows; "" if it cannot be written.
func thenText(next *task.Spec) string {
	var out struct {
		Task struct{ Then json.RawMessage }
	}
	text, err := trigger.Encode(&trigger.Definition{Task: task.Spec{Kind: "k", Then: next}})
	if err != nil || json.Unmarshal(text, &out) != nil {
		return ""
	}
	return string(out.Task.Then)
}

// hideSpec returns a copy of a task without what the hook of the options hides.
func (q *request) hideSpec(s *task.Spec) *task.Spec {
	shown := *s
	if len(s.Payload) > 0 {
		shown.Payload = q.hide(s.Kind, "payload", s.Payload)
	}
	if len(s.Headers) > 0 {
		shown.Headers = map[string]string{}
		for name, value := range s.Headers {
			shown.Headers[name] = string(q.hide(s.Kind, name, []byte(value)))
		}
	}
	shown.ShardParams = slices.Clone(s.ShardParams)
	for i, p := range shown.ShardParams {
		shown.ShardParams[i] = string(q.hide(s.Kind, "shard_param", []byte(p)))
	}
	if s.Then != nil {
		shown.Then = q.hideSpec(s.Then)
	}
	return &shown
}

var placeholders = regexp.MustCompile(`\{\{[^{}]*\}\}`)

// hideTemplate returns what is shown of the template of a payload. A template need not be JSON,
// so what it makes is redacted. A template with nothing to hide is shown as it is. With a hook, one
// that makes no JSON is not shown, because its secret parts cannot be found.
func (q *request) hideTemplate(kind, template string) string {
	if q.c.opts.Redact == nil || template == "" {
		return template
	}
	// 1 is a number, the part of one and the part of a string. 0 begins no other number.
	filled := placeholders.ReplaceAllString(template, "1")
	if !json.Valid([]byte(filled)) {
		return masked
	}
	if shown := string(q.hide(kind, "payload", []byte(filled))); shown != filled {
		return shown
	}
	return template
}

// hidden are the fields that a hook may hide.
var hidden = []string{"payload", "payload_template", "task.payload", "headers", "task.headers", "shard_params", "task.shard_params", "then", "task.then"}

// restore puts stored values in the place of those that the user has left as they were shown:
// without secrets, and with the line breaks of a browser. In a value that the user has changed it replaces the masks that
// are left, see unmask. shown are the values of the form as it was, stored those without redaction. A form with another kind
// keeps what it has, because the kind decides what is hidden. A value that a browser cannot send back is replaced only if
// the form says so. It returns the fields that still have a mask, which must not be stored.
func restore(sent, shown, stored url.Values) (left []string) {
	sameKind := true
	for _, kind := range []string{"kind", "task.kind"} {
		sameKind = sameKind && strings.TrimSpace(sent.Get(kind)) == stored.Get(kind)
	}
	for _, name := range hidden {
		if !stored.Has(name) {
			continue
		}
		same := unixLines(sent.Get(name)) == unixLines(shown.Get(name))
		kept := !isText(shown.Get(name)) && sent.Get(replacePrefix+name) == ""
		if sameKind && (same || kept) || kept && shown.Get(name) == stored.Get(name) {
			sent.Set(name, stored.Get(name))
		} else if sameKind {
			sent.Set(name, unmask(sent.Get(name), shown.Get(name), stored.Get(name)))
		}
		if v := sent.Get(name); strings.Contains(v, masked) && v != stored.Get(name) {
			left = append(left, name)
		}
	}
	return left
}

// The prefixes of the fields of a form about a value that is not text: a check box to replace it,
// and a field that says that it is there.
const (
	replacePrefix = "replace."
	binaryPrefix  = "binary."
)

var lines = strings.NewReplacer("\r\n", "", "\n", "", "\t", "")

// isText reports whether a browser sends a value back as it was, but for the line breaks.
func isText(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsFunc(lines.Replace(value), func(r rune) bool { return r < ' ' })
}

// taskParts are the parts of a form that have the fields of a task.
func (f *form) taskParts() []inputs {
	return []inputs{
		f.part("form.task", false, input{Name: "kind", Required: true, List: "kinds"}, input{Name: "payload", Kind: "area"}, input{Name: "queue", List: "queues"},
			input{Name: "group"}, input{Name: "priority", Kind: "number"}),
		f.part("form.retries", true, input{Name: "max_attempts", Kind: "number"}, input{Name: "backoff"}, input{Name: "timeout"}, input{Name: "ttl"},
			input{Name: "deadline"}, input{Name: "retain"}),
		f.part("form.routing", true, input{Name: "labels"}, input{Name: "headers", Kind: "area"}, input{Name: "unique"},
			input{Name: "on_limit", Kind: "choice", Options: []string{"", "fail"}}),
		f.part("form.shards", true, input{Name: "shards", Kind: "number"}, input{Name: "shard_params", Kind: "area"}, input{Name: "broadcast", Kind: "check"},
			input{Name: "fail_fast", Kind: "check"}, input{Name: "then", Kind: "area"}),
	}
}
