package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// masked stands for a value that is not shown.
const masked = "•••"

// RedactKeys returns a hook for Options.Redact. It masks the values of JSON objects, at any
// depth, and of headers whose names match one of the patterns, without regard to case. A
// pattern is as for path.Match: "password", "*secret*". Bytes that are no JSON stay as they are.
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
		if key != "payload" && key != "result" {
			if secret(key) {
				return []byte(masked)
			}
			return value
		}
		in := json.NewDecoder(bytes.NewReader(value))
		in.UseNumber()
		var v any
		if in.Decode(&v) != nil || in.More() || !mask(v, secret) {
			return value
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) != nil { // a value that was decoded can be encoded
			return []byte(masked)
		}
		return bytes.TrimSpace(out.Bytes())
	}, nil
}

// mask replaces the values of secret keys and reports whether there are some.
func mask(v any, secret func(string) bool) (any bool) {
	switch v := v.(type) {
	case map[string]interface{}:
		for name, value := range v {
			if secret(name) {
				v[name], any = masked, true
			} else if mask(value, secret) {
				any = true
			}
		}
	case []interface{}:
		for _, value := range v {
			if mask(value, secret) {
				any = true
			}
		}
	}
	return any
}
