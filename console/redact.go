package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// masked stands for a value that is not shown.
const masked = "•••"

// RedactKeys returns a hook for Options.Redact. It masks the values of JSON objects, at any
// depth, and of headers whose names match one of the patterns, without regard to case. The bytes
// may be several JSON values in a row, and a string may be JSON itself. A pattern is as for
// path.Match: "password", "*secret*". Bytes that are no JSON stay as they are.
func RedactKeys(patterns ...string) (func(kind, key string, value []byte) []byte, error) {
	lower := make([]string, len(patterns))
	for i, p := range patterns {
		lower[i] = strings.ToLower(p)
		if _, err := path.Match(lower[i], ""); err != nil {
			return nil, &task.FieldError{Field: "redact", Msg: fmt.Sprintf("%q is no pattern: %v", p, err)}
		}
	}
	secret := func(name string) bool {
		for _, p := range lower {
			if ok, _ := path.Match(p, strings.ToLower(name)); ok {
				return true
			}
		}
		return false
	}
	return func(_, key string, value []byte) []byte {
		if key != "payload" && key != "result" && key != "progress" && key != "checkpoint" && key != "shard_param" {
			if secret(key) {
				return []byte(masked)
			}
			return value
		}
		if text, any := maskText(value, secret, 0); any {
			return text
		}
		return value
	}, nil
}

// deepest is how many levels of JSON within strings of JSON are searched. A string at a deeper
// level that may be JSON is masked.
const deepest = 4

// maskText masks the values of secret keys in JSON values in a row and reports whether there
// are some. Text after the last complete value stays as it is.
func maskText(text []byte, secret func(string) bool, depth int) (out []byte, any bool) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	end := int64(0)
	for {
		var v interface{}
		if in.Decode(&v) != nil {
			return append(out, text[end:]...), any
		}
		begin := end
		end = in.InputOffset()
		if v, found := mask(v, secret, depth); found {
			value := bytes.TrimLeft(text[begin:end], " \t\r\n")
			out = append(append(out, text[begin:end-int64(len(value))]...), encoded(v)...)
			any = true
		} else {
			out = append(out, text[begin:end]...)
		}
	}
}

// encoded returns the JSON of a decoded value.
func encoded(v interface{}) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil { // a value that was decoded can be encoded
		return []byte(masked)
	}
	return bytes.TrimSpace(out.Bytes())
}

// mask replaces the values of secret keys, also within strings that are objects or arrays in
// JSON, and reports whether there are some.
func mask(v interface{}, secret func(string) bool, depth int) (out interface{}, any bool) {
	switch v := v.(type) {
	case map[string]interface{}:
		for name, value := range v {
			if secret(name) {
				v[name], any = masked, true
			} else if value, found := mask(value, secret, depth); found {
				v[name], any = value, true
			}
		}
	case []interface{}:
		for i, value := range v {
			if value, found := mask(value, secret, depth); found {
				v[i], any = value, true
			}
		}
	case string:
		if inner := strings.TrimLeft(v, " \t\r\n"); inner == "" || !strings.ContainsAny(inner[:1], "{[\"") {
			return v, false
		}
		if depth == deepest {
			return masked, true
		}
		text, any := maskText([]byte(v), secret, depth+1)
		return string(text), any
	}
	return v, any
}

// hide returns what the hook of the options shows of a value. The hook gets a copy, which it may
// change.
func (q *request) hide(kind, key string, value []byte) []byte {
	if q.c.opts.Redact == nil {
		return value
	}
	return q.c.opts.Redact(kind, key, bytes.Clone(value))
}

// hideEntry returns what is shown of a rejected entry. With a hook, an entry that is cut or is no
// JSON object shows only its length, because its secret parts cannot be found.
func (q *request) hideEntry(r *task.Reject) string {
	if q.c.opts.Redact == nil {
		return r.Entry
	}
	length := fmt.Sprintf("(%d bytes)", r.Bytes)
	if r.Cut() {
		return length
	}
	shown, ok := q.hideObject([]byte(r.Entry))
	if !ok {
		return length
	}
	return string(shown)
}

var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// hideReason returns what is shown of the reason of a rejection. With a hook, what the reason quotes
// is shown only if it is in what is shown of the entry.
func (q *request) hideReason(reason, shown string) string {
	if q.c.opts.Redact == nil {
		return reason
	}
	return quotedText.ReplaceAllStringFunc(reason, func(quoted string) string {
		inner, err := strconv.Unquote(quoted)
		if err != nil || !strings.Contains(shown, strings.TrimSuffix(inner, "…")) {
			return `"` + masked + `"`
		}
		return quoted
	})
}

// hideObject returns what is shown of an entry, or of the task in an entry for a trigger. ok is
// false if it is no JSON object.
func (q *request) hideObject(text []byte) (shown []byte, ok bool) {
	var out bytes.Buffer
	in := json.NewDecoder(bytes.NewReader(text))
	// A name may occur twice in an entry that was rejected, so that it is not decoded as a map.
	if token, err := in.Token(); err != nil || token != json.Delim('{') {
		return nil, false
	}
	type field struct {
		name  string
		value json.RawMessage
	}
	var fields []field
	kind := ""
	for in.More() {
		name, err := in.Token()
		f := field{}
		f.name, _ = name.(string)
		if err != nil || in.Decode(&f.value) != nil {
			return nil, false
		}
		if f.name == "kind" {
			_ = json.Unmarshal(f.value, &kind) // a kind that is no text is none
		}
		fields = append(fields, f)
	}
	if _, err := in.Token(); err != nil || len(bytes.TrimSpace(text[in.InputOffset():])) > 0 {
		return nil, false
	}
	out.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			out.WriteByte(',')
		}
		value := []byte(f.value)
		switch strings.ToLower(f.name) {
		case "payload":
			value = q.hide(kind, "payload", value)
		case "headers":
			value = q.hideHeaders(kind, value)
		case "shards": // a number or parameters
			var params []string
			if json.Unmarshal(value, &params) == nil {
				for i := range params {
					params[i] = string(q.hide(kind, "shard_param", []byte(params[i])))
				}
				value = encoded(params)
			} else if bytes.ContainsAny(value[:1], `[{"`) {
				value = encoded(masked)
			}
		case "task", "then":
			var ok bool
			if value, ok = q.hideObject(value); !ok {
				value = encoded(masked)
			}
		default:
			if !redisstore.IsEntryField(f.name) || value[0] == '{' { // no field is an object but those above
				value = q.hideUnknown(kind, f.name, value)
			}
		}
		out.Write(encoded(f.name))
		out.WriteByte(':')
		if !json.Valid(value) {
			value = encoded(string(value))
		}
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), true
}

// hideUnknown redacts a field that tasks do not have. It may be a payload with a misspelt name, or a field of a payload.
func (q *request) hideUnknown(kind, name string, value []byte) []byte {
	part := encoded(map[string]json.RawMessage{name: value})
	shown := q.hide(kind, "payload", part)
	if bytes.Equal(shown, part) {
		return value
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(shown, &fields) != nil || len(fields) != 1 || fields[name] == nil {
		return encoded(masked)
	}
	return fields[name]
}

// hideHeaders returns what is shown of the headers of an entry. Only an object of strings is
// shown.
func (q *request) hideHeaders(kind string, headers []byte) []byte {
	var values map[string]string
	if json.Unmarshal(headers, &values) != nil {
		return encoded(masked)
	}
	for name, value := range values {
		values[name] = string(q.hide(kind, name, []byte(value)))
	}
	return encoded(values)
}
