package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/ltsworker/ltsworker/executor/template"
	"github.com/ltsworker/ltsworker/task"
)

// body is a part of Config.Body whose strings are parsed.
type body struct {
	text   *template.Template
	fields map[string]*body
	items  []*body
	other  json.RawMessage // if none of the above is set
}

// parseBody parses the part of a body with the given name. The error joins a
// *task.FieldError for each part that cannot be used.
func parseBody(field string, v any) (*body, error) {
	refuse := func(format string, args ...any) error {
		return &task.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	switch v := v.(type) {
	case string:
		t, err := template.Parse(v)
		if err != nil {
			return nil, refuse("%v", err)
		}
		return &body{text: &t}, nil
	case map[string]any:
		b := &body{fields: map[string]*body{}}
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(v)) {
			part, err := parseBody(field+"."+name, v[name])
			b.fields[name] = part
			errs = append(errs, err)
		}
		return b, errors.Join(errs...)
	case []any:
		b := &body{items: []*body{}}
		var errs []error
		for i, item := range v {
			part, err := parseBody(field+"["+strconv.Itoa(i)+"]", item)
			b.items = append(b.items, part)
			errs = append(errs, err)
		}
		return b, errors.Join(errs...)
	}
	other, err := json.Marshal(v)
	if err != nil {
		return nil, refuse("cannot be written as JSON")
	}
	return &body{other: other}, nil
}

// fill returns the JSON of a task.
func (b *body) fill(v *template.Values) (json.RawMessage, error) {
	switch {
	case b.text != nil:
		return b.text.JSON(v)
	case b.fields != nil:
		filled := make(map[string]json.RawMessage, len(b.fields))
		for name, part := range b.fields {
			value, err := part.fill(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			filled[name] = value
		}
		return encode(filled)
	case b.items != nil:
		filled := make([]json.RawMessage, len(b.items))
		for i, part := range b.items {
			var err error
			if filled[i], err = part.fill(v); err != nil {
				return nil, err
			}
		}
		return encode(filled)
	}
	return b.other, nil
}
