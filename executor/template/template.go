// Package template fills configured texts with values of a task: arguments and variables
// of commands, header values, segments of URL paths, fields of JSON bodies.
//
//	{{payload.url}}                          a field of the payload, which must be JSON
//	--size={{payload.size | default 720}}    a value behind a fixed prefix
//	{{payload.options | json}}               any value, encoded as JSON
//	{{id}} {{kind}} {{queue}} {{pool}} {{attempt}} {{fence}}
//
// A template fills a whole text, or the rest of a text behind a fixed prefix. Nothing may
// follow it. A path into the payload names fields of objects and indexes of lists,
// separated by dots. The value must be a string, a number or a boolean, unless the
// template ends in "| json". A number is filled in as the payload spells it. A default
// applies if the value is missing or null. It is one word, or a text in double quotes,
// which may hold the escapes of a Go string. Without a default, a missing value fails the
// task with task.CodeBadPayload, as does any value that cannot be used.
//
// A literal {{ is written {{{{.
//
// A value never leaves its place: Args fills each value into one argument, Header into
// one header, PathSegment into one segment, JSON into one field.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/ltsworker/ltsworker/task"
)

// Template is a parsed text. The zero value is the empty text.
type Template struct {
	prefix string // constant text before the value
	hole   *hole  // nil for a constant
}

// hole is the part of a template that a value replaces: the text in braces.
type hole struct {
	name string   // as written, such as payload.url
	path []string // into the payload; nil for the whole payload and other sources
	json bool
	def  *string // default; nil for none
}

// Parse parses a text. The error says what to write instead.
func Parse(text string) (Template, error) {
	var t Template
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{{")
		t.prefix += before
		if !found {
			return t, nil
		}
		if escaped, ok := strings.CutPrefix(after, "{{"); ok {
			t.prefix += "{{"
			rest = escaped
			continue
		}
		h, behind, err := parseHole(after)
		if err != nil {
			return Template{}, fmt.Errorf("has a template that cannot be read: %w; a literal {{ is written {{{{", err)
		}
		if behind != "" {
			return Template{}, fmt.Errorf("must not have text behind the template {{%s}}: a template fills the whole text, or the rest of it behind a fixed prefix", h.name)
		}
		t.hole = h
		return t, nil
	}
}

// parseHole parses a template from behind its first braces. It returns the text behind
// the template.
func parseHole(s string) (*hole, string, error) {
	h := &hole{}
	end := strings.IndexAny(s, " \t|}")
	if end < 0 {
		return nil, "", errors.New("it has no }}")
	}
	h.name = s[:end]
	if err := h.setSource(); err != nil {
		return nil, "", err
	}
	for s = s[end:]; ; {
		s = strings.TrimLeft(s, " \t")
		if behind, ok := strings.CutPrefix(s, "}}"); ok {
			if h.json && h.def != nil && !json.Valid([]byte(*h.def)) {
				return nil, "", errors.New(`the default of a | json template must be JSON, such as | default "{}"`)
			}
			return h, behind, nil
		}
		option, ok := strings.CutPrefix(s, "|")
		if !ok {
			return nil, "", fmt.Errorf("after %s it must have }}, | default VALUE }} or | json }}", h.name)
		}
		var err error
		if s, err = h.option(strings.TrimLeft(option, " \t")); err != nil {
			return nil, "", err
		}
	}
}

// sources are the names besides payload.
var sources = []string{"id", "kind", "queue", "pool", "attempt", "fence", "shard", "shards", "shard_param"}

// setSource checks the name and sets the path.
func (h *hole) setSource() error {
	source, path, nested := strings.Cut(h.name, ".")
	if source != "payload" {
		for _, s := range sources {
			if h.name == s {
				return nil
			}
		}
		return fmt.Errorf("%q is no value of a task: there are payload, payload.FIELD, %s", h.name, strings.Join(sources, ", "))
	}
	if !nested {
		return nil
	}
	h.path = strings.Split(path, ".")
	for _, field := range h.path {
		if field == "" || strings.ContainsFunc(field, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_' && r != '-'
		}) {
			return fmt.Errorf("%q must name fields of letters, digits, _ and -, separated by dots, such as payload.video.url", h.name)
		}
	}
	return nil
}

// option parses what follows a |. It returns the text behind the option.
func (h *hole) option(s string) (rest string, err error) {
	end := strings.IndexAny(s, " \t|}")
	if end < 0 {
		return "", errors.New("it has no }}")
	}
	name, rest := s[:end], strings.TrimLeft(s[end:], " \t")
	switch {
	case name == "json" && !h.json:
		h.json = true
		return rest, nil
	case name == "default" && h.def == nil:
		h.def, rest, err = parseDefault(rest)
		return rest, err
	case name == "json", name == "default":
		return "", fmt.Errorf("it has | %s twice", name)
	}
	return "", fmt.Errorf("there is no | %s: there are | default VALUE and | json", name)
}

// parseDefault parses the value of a default.
func parseDefault(s string) (def *string, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, "", errors.New("the text of its default has no closing quote or an unknown escape")
		}
		text, err := strconv.Unquote(quoted)
		if err == nil && strings.ContainsRune(text, 0) {
			err = errors.New("its default must not contain a NUL byte")
		}
		return &text, s[len(quoted):], err
	}
	end := strings.IndexAny(s, " \t|}")
	if end <= 0 {
		return nil, "", errors.New(`its default needs a value, such as | default 720 or | default ""`)
	}
	text := s[:end]
	if strings.ContainsAny(text, `"{`) {
		return nil, "", errors.New("the value of its default must stand in double quotes")
	}
	return &text, s[end:], nil
}

// Constant returns the text of a template without a value.
func (t Template) Constant() (text string, ok bool) { return t.prefix, t.hole == nil }

// String returns the template as it may be written in a message: without its prefix and
// default, which may be secrets.
func (t Template) String() string {
	if t.hole == nil {
		return "a constant"
	}
	return "{{" + t.hole.name + "}}"
}

// maxValue is the size of a value in bytes, except in JSON. Linux admits 128 KiB in one
// argument or variable.
const maxValue = 64 << 10

// fill returns the value without the prefix. given is false if it is the default.
func (t Template) fill(v *Values) (value string, given bool, err error) {
	if t.hole == nil {
		return "", false, nil
	}
	value, given, err = v.text(t.hole)
	switch {
	case err != nil:
		return "", false, t.refuse("%v", err)
	case strings.ContainsRune(value, 0):
		return "", false, t.refuse("contains a NUL byte")
	case len(value) > maxValue:
		return "", false, t.refuse("is %d bytes long; the limit is %d", len(value), maxValue)
	}
	return value, given, nil
}

// refuse returns the error for a value that cannot be used. It does not show the value,
// which may be a secret.
func (t Template) refuse(format string, args ...any) error {
	return task.BadPayload(fmt.Errorf("%s %s", t.hole.name, fmt.Sprintf(format, args...)))
}
