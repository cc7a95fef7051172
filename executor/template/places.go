package template

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Env returns the value of an environment variable: any text without NUL bytes. Errors of
// this and the other methods are those of task.BadPayload. They name the template and do
// not show the value.
func (t Template) Env(v *Values) (string, error) {
	value, _, err := t.fill(v)
	return t.prefix + value, err
}

// Header returns the value of an HTTP header. It refuses control characters other than
// tabs, so that the value ends neither the header nor the request. The prefix is part of
// the config and must be valid: see CheckHeader.
func (t Template) Header(v *Values) (string, error) {
	value, given, err := t.fill(v)
	if err == nil && given && CheckHeader(value) != nil {
		err = t.refuse("%v, because it is part of a header", CheckHeader(value))
	}
	if err != nil {
		return "", err
	}
	return t.prefix + value, nil
}

// CheckHeader reports a control character other than a tab in a header value.
func CheckHeader(value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("must not contain a line break or another control character")
	}
	return nil
}

// PathSegment returns one escaped segment of a URL path. It refuses an empty segment, and
// the segments . and .. also between escaped slashes, which some servers decode. The
// prefix is returned as it is, so it must be escaped.
func (t Template) PathSegment(v *Values) (string, error) {
	value, _, err := t.fill(v)
	if err != nil || t.hole == nil {
		return t.prefix, err
	}
	prefix, err := url.PathUnescape(t.prefix)
	if err != nil {
		prefix = t.prefix
	}
	whole := prefix + value
	if whole == "" {
		return "", t.refuse("must not be empty, because it is a segment of a path")
	}
	for part := range strings.FieldsFuncSeq(whole, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return "", t.refuse("must not be or contain the segment %s of a path", part)
		}
	}
	return t.prefix + url.PathEscape(value), nil
}

// JSON returns the value of a field of a JSON body. A template without a prefix keeps the
// type of its value; a default is text, or JSON with | json. With a prefix the field is
// text.
func (t Template) JSON(v *Values) (json.RawMessage, error) {
	if t.hole == nil {
		return encode(t.prefix)
	}
	if t.prefix == "" {
		value, err := v.get(t.hole)
		if err != nil {
			return nil, t.refuse("%v", err)
		}
		_, isList := value.([]any)
		_, isObject := value.(map[string]any)
		if value != nil && (t.hole.json || !isList && !isObject) {
			return encode(value)
		}
	}
	value, given, err := v.text(t.hole)
	if err != nil {
		return nil, t.refuse("%v", err)
	}
	if t.prefix == "" && t.hole.json && !given {
		return json.RawMessage(value), nil
	}
	return encode(t.prefix + value)
}
