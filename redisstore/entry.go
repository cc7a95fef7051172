package redisstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// ParseEntry reads one inbox entry: a JSON object in valid UTF-8 with the fields in
// docs/protocol.md. The payload of the spec is a part of entry, byte for byte. The error
// has everything that is wrong with the entry, up to about 20 mistakes.
func ParseEntry(entry []byte) (task.Spec, error) {
	spec, _, err := parseEntry(entry)
	return spec, err
}

// parseEntry also returns where in entry the payload begins. With an error the spec has
// the fields that could be read.
func parseEntry(entry []byte) (spec task.Spec, payloadAt int, err error) {
	spec, payloadAt, err = parseObject(entry, false)
	if !utf8.Valid(entry) {
		err = errors.New("must be valid UTF-8") // json replaces invalid bytes without an error
	}
	return spec, payloadAt, err
}

// parseObject is parseEntry for an entry in valid UTF-8. The object of a task that follows is
// checked with the task that it follows.
func parseObject(entry []byte, follows bool) (spec task.Spec, payloadAt int, err error) {
	dec := json.NewDecoder(bytes.NewReader(entry))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return spec, 0, errors.New(`must be a JSON object such as {"kind":"email.send","payload":{}}`)
	}
	e := entryReader{spec: &spec, follows: follows}
	var seen []string
	for dec.More() {
		if len(e.errs) > maxMistakes {
			e.errs = append(e.errs, errors.New("and perhaps more"))
			return spec, 0, errors.Join(e.errs...)
		}
		t, err := dec.Token()
		if err != nil {
			return spec, 0, syntaxError(err)
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return spec, 0, syntaxError(err)
		}
		if slices.Contains(seen, name) {
			e.add(name, "is given twice")
			continue
		}
		seen = append(seen, name)
		if name == "payload" {
			end := int(dec.InputOffset())
			payloadAt = end - len(value)
			spec.Payload = entry[payloadAt:end:end]
			continue
		}
		e.field(name, value)
	}
	if _, err := dec.Token(); err != nil {
		return spec, 0, syntaxError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return spec, 0, errors.New("has something after its JSON object")
	}
	if err := spec.Check(); err != nil && !follows {
		e.errs = append(e.errs, asEntry(err)...)
	}
	return spec, payloadAt, errors.Join(e.errs...)
}

// asEntry renames the fields in the errors of a spec to those of an entry.
func asEntry(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	errs := joined.Unwrap()
	for i, err := range errs {
		f, ok := err.(*task.FieldError)
		if ok && slices.Contains(entryFields, strings.TrimPrefix(f.Field, "then.")+"_ms") {
			errs[i] = &task.FieldError{Field: f.Field + "_ms", Msg: strings.ReplaceAll(f.Msg, "run_at", "run_at_ms")}
		}
	}
	return errs
}

func syntaxError(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return fmt.Errorf("is not valid JSON: %w", err)
}

// maxMistakes is the number of mistakes after which the rest of an entry is not read: an
// operator reads the reason, and an entry may have any number of mistakes.
const maxMistakes = 20

// entryReader sets the fields of a spec from those of an entry and collects the errors.
type entryReader struct {
	spec    *task.Spec
	follows bool // the object is that of a task that follows another one
	errs    []error
}

func (e *entryReader) add(field, format string, args ...any) {
	e.errs = append(e.errs, &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)})
}

// entryFields are the fields an entry may have.
var entryFields = []string{"kind", "payload", "id", "queue", "priority", "group", "labels", "unique", "delay_ms", "run_at_ms", "hold",
	"timeout_ms", "ttl_ms", "deadline_ms", "max_attempts", "backoff", "retain_ms", "headers", "reply", "on_limit",
	"shards", "broadcast", "fail_fast", "then"}

// IsEntryField reports whether an entry of the inbox may have a field with the name.
func IsEntryField(name string) bool { return slices.Contains(entryFields, name) }

func (e *entryReader) field(name string, v json.RawMessage) {
	s := e.spec
	switch name {
	case "kind":
		e.text(name, v, &s.Kind)
	case "id":
		e.text(name, v, &s.ID)
	case "queue":
		e.text(name, v, &s.Queue)
	case "group":
		e.text(name, v, &s.Group)
	case "labels":
		e.list(name, v, &s.Labels)
	case "unique":
		e.text(name, v, &s.Unique)
	case "priority":
		if n, ok := e.whole(name, v, -128, 127); ok {
			s.Priority = int8(n)
		}
	case "delay_ms":
		e.ms(name, v, 0, &s.Delay)
	case "run_at_ms":
		if n, ok := e.whole(name, v, 0, task.MaxRunAt); ok {
			s.RunAt = time.UnixMilli(n)
		}
	case "timeout_ms":
		if string(v) == `"`+none+`"` {
			s.Timeout = task.Forever
		} else {
			e.ms(name, v, 1, &s.Timeout)
		}
	case "ttl_ms":
		e.ms(name, v, 1, &s.TTL)
	case "deadline_ms":
		e.ms(name, v, 1, &s.Deadline)
	case "max_attempts":
		if n, ok := e.whole(name, v, 1, task.MaxMaxAttempts); ok {
			s.MaxAttempts = int(n)
		}
	case "backoff":
		var text string
		if e.text(name, v, &text) {
			b, err := task.ParseBackoff(text)
			if err != nil {
				e.add(name, "%v", err)
				return
			}
			s.Backoff = b
		}
	case "retain_ms":
		d := task.Forever
		if string(v) != `"`+forever+`"` {
			d = 0
			if !e.ms(name, v, 0, &d) {
				return
			}
		}
		s.Retain = &d
	case "headers":
		e.strings(name, v, &s.Headers)
	case "reply":
		e.flag(name, v, &s.Reply)
	case "on_limit":
		if s.FailOnLimit = string(v) == `"`+onLimitFail+`"`; !s.FailOnLimit && string(v) != `"wait"` {
			e.add(name, `must be "wait" or "fail"`)
		}
	case "shards":
		e.shards(name, v)
	case "broadcast":
		e.flag(name, v, &s.Broadcast)
	case "fail_fast":
		e.flag(name, v, &s.FailFast)
	case "then":
		e.then(name, v)
	case "hold":
		e.flag(name, v, &s.Hold)
	default:
		e.add(strconv.Quote(clipName(name)), "is not a field of a task; the fields are %s", strings.Join(entryFields, " "))
	}
}

func (e *entryReader) flag(name string, v json.RawMessage, to *bool) {
	if *to = string(v) == "true"; !*to && string(v) != "false" {
		e.add(name, "must be true or false")
	}
}

// shards reads a number of shards, or their parameters.
func (e *entryReader) shards(name string, v json.RawMessage) {
	if len(v) > 0 && v[0] != '[' {
		if n, ok := e.whole(name, v, 1, task.MaxShards); ok {
			e.spec.Shards = int(n)
		}
		return
	}
	var given []*string // pointers distinguish null from an empty string
	if json.Unmarshal(v, &given) != nil || len(given) == 0 || slices.Contains(given, nil) {
		e.add(name, `must be a whole number from 1 to %d, or an array of strings, such as ["a","b"]`, task.MaxShards)
		return
	}
	if !e.wholeCharacters(name, v) {
		return
	}
	for _, s := range given {
		e.spec.ShardParams = append(e.spec.ShardParams, *s)
	}
}

// then reads the task that follows, an object with the fields of an entry.
func (e *entryReader) then(name string, v json.RawMessage) {
	if len(v) == 0 || v[0] != '{' {
		e.add(name, `must be an object with the fields of an entry, such as {"kind":"email.send"}`)
		return
	}
	if e.follows {
		e.spec.Then = &task.Spec{} // refused by the check
		return
	}
	next, _, err := parseObject(v, true)
	e.spec.Then = &next
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, err := range joined.Unwrap() {
		if f, ok := err.(*task.FieldError); ok {
			err = &task.FieldError{Field: name + "." + f.Field, Msg: f.Msg}
		}
		e.errs = append(e.errs, err)
	}
}

func clipName(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

func (e *entryReader) text(name string, v json.RawMessage, to *string) bool {
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, to) != nil {
		e.add(name, "must be a string")
		return false
	}
	return e.wholeCharacters(name, v)
}

// surrogate matches an escape that stands for a character or for a half of one. Escapes of
// a backslash are matched as well, so that what follows them is no escape.
var surrogate = regexp.MustCompile(`\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// wholeCharacters adds an error if the JSON has an escape of half a character. Decoding
// would replace it, and two different texts could become equal.
func (e *entryReader) wholeCharacters(name string, v json.RawMessage) bool {
	for _, escape := range surrogate.FindAll(v, -1) {
		if len(escape) == len(`\ud800`) {
			e.add(name, "must not contain %s, which is half a character", escape)
			return false
		}
	}
	return true
}

func (e *entryReader) strings(name string, v json.RawMessage, to *map[string]string) {
	var given map[string]*string // pointers distinguish null from an empty string
	if v[0] != '{' || json.Unmarshal(v, &given) != nil || slices.Contains(slices.Collect(maps.Values(given)), nil) {
		e.add(name, `must be an object of strings, such as {"trace":"abc"}`)
		return
	}
	if !e.wholeCharacters(name, v) {
		return
	}
	*to = make(map[string]string, len(given))
	for k, s := range given {
		(*to)[k] = *s
	}
}

func (e *entryReader) list(name string, v json.RawMessage, to *[]string) {
	var given []*string // pointers distinguish null from an empty string
	if v[0] != '[' || json.Unmarshal(v, &given) != nil || slices.Contains(given, nil) {
		e.add(name, `must be a list of strings, such as ["gpu","zone=eu"]`)
		return
	}
	if !e.wholeCharacters(name, v) {
		return
	}
	for _, s := range given {
		*to = append(*to, *s)
	}
}

func (e *entryReader) whole(name string, v json.RawMessage, least, most int64) (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < least || n > most {
		e.add(name, "must be a whole number from %d to %d", least, most)
		return 0, false
	}
	return n, true
}

func (e *entryReader) ms(name string, v json.RawMessage, least int64, to *time.Duration) bool {
	n, ok := e.whole(name, v, least, task.MaxDuration.Milliseconds())
	if ok {
		*to = time.Duration(n) * time.Millisecond
	}
	return ok
}
