package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// form has the values of the fields of a page and what is wrong with them. The names of the
// fields are those of task.FieldError, with prefix in front.
type form struct {
	prefix string
	values url.Values
	errs   map[string][]string
}

func newForm(prefix string, values url.Values) *form {
	return &form{prefix: prefix, values: values, errs: map[string][]string{}}
}

// in returns the form of the fields with a longer prefix. Both have the same errors.
func (f *form) in(prefix string) *form {
	return &form{prefix: f.prefix + prefix, values: f.values, errs: f.errs}
}

// text returns the value of a field without the space around it.
func (f *form) text(name string) string { return strings.TrimSpace(f.values.Get(f.prefix + name)) }

// body returns the value of a field of several lines. Browsers write a line break as CR LF.
func (f *form) body(name string) string { return unixLines(f.values.Get(f.prefix + name)) }

func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func (f *form) checked(name string) bool { return f.text(name) != "" }

func (f *form) wrong(name, format string, args ...any) {
	f.errs[f.prefix+name] = append(f.errs[f.prefix+name], fmt.Sprintf(format, args...))
}

// whole reads a whole number, 0 if the field is empty.
func (f *form) whole(name string, low, high int64) int64 {
	text := f.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		f.wrong(name, "must be a whole number from %d to %d, not %q", low, high, task.Clip(text))
		return 0
	}
	return n
}

// span reads a duration, 0 if the field is empty. The word stands for task.Forever; "" is no
// word.
func (f *form) span(name, word string) time.Duration {
	text := f.text(name)
	if text == "" {
		return 0
	}
	if word != "" && text == word {
		return task.Forever
	}
	d, err := timespan.Parse(text)
	if err != nil {
		hint := ""
		if word != "" {
			hint = fmt.Sprintf(" or %q", word)
		}
		f.wrong(name, "must be a duration such as 30s, 5m, 2h or 3d%s, not %q", hint, task.Clip(text))
		return 0
	}
	return d
}

// spanText returns the text of a duration for a field of a form: "" for 0, and a word for task.Forever.
func spanText(d time.Duration, word string) string {
	switch d {
	case 0:
		return ""
	case task.Forever:
		return word
	}
	return timespan.Text(d)
}

// moment reads a time: one with a zone, such as 2026-01-31T18:00:00Z, or one of the zone.
func (f *form) moment(name string, zone *time.Location) time.Time {
	text := f.text(name)
	if text == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t
		}
	}
	f.wrong(name, "must be a time such as 2026-01-31T18:00 or 2026-01-31T18:00:00Z, not %q", task.Clip(text))
	return time.Time{}
}

// list reads one text per line, or a JSON array of texts.
func (f *form) list(name string) (items []string) {
	text := f.body(name)
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			f.wrong(name, "begins with [, but is no JSON array of strings: %v", err)
		}
		return items
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			items = append(items, line)
		}
	}
	return items
}

// listText returns the text of a list as form.list reads it.
func listText(items []string) string {
	plain := !slices.ContainsFunc(items, func(s string) bool { return s == "" || s != strings.TrimSpace(s) || strings.ContainsAny(s, "\r\n") })
	if plain && (len(items) == 0 || items[0][0] != '[') {
		return strings.Join(items, "\n")
	}
	return string(encoded(items))
}

// pairs reads one KEY=VALUE per line, or a JSON object of strings.
func (f *form) pairs(name string) (pairs map[string]string) {
	text := f.body(name)
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if err := json.Unmarshal([]byte(text), &pairs); err != nil {
			f.wrong(name, "begins with {, but is no JSON object of strings: %v", err)
		}
		return pairs
	}
	for _, line := range f.list(name) {
		key, value, ok := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			f.wrong(name, "must have KEY=VALUE in each line, not %q", task.Clip(line))
			continue
		}
		if pairs == nil {
			pairs = map[string]string{}
		}
		pairs[key] = strings.TrimSpace(value)
	}
	return pairs
}

// pairsText returns the text of pairs as form.pairs reads it.
func pairsText(pairs map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[key]
		if key == "" || strings.ContainsAny(key, "=\r\n{[") || key != strings.TrimSpace(key) || value != strings.TrimSpace(value) || strings.ContainsAny(value, "\r\n") {
			return string(encoded(pairs))
		}
		lines = append(lines, key+"="+value)
	}
	return strings.Join(lines, "\n")
}

// take adds the FieldErrors of an error to the fields. It reports whether there are any.
func (f *form) take(err error) bool {
	found := task.FieldErrors(err)
	for _, e := range found {
		f.errs[f.prefix+e.Field] = append(f.errs[f.prefix+e.Field], e.Msg)
	}
	return len(found) > 0
}

// input is a field of a form on a page. Its label is the text "field.LABEL", its help, if there
// is one, "hint.LABEL".
type input struct {
	Name, Label string
	Kind        string // text, number, area, check, choice
	Options     []string
	List        string // id of a datalist
	Of          string // the kind of schedule that it belongs to
	Required    bool
	Fixed       bool // it cannot be changed
	Binary      bool // the stored value is not text: it stays unless the user replaces it
	Replace     bool
	Value       string
	Errors      []string
}

// ID is the id of the element, which a label names.
func (i input) ID() string { return "f-" + strings.ReplaceAll(i.Name, ".", "-") }

// inputs are the fields of a part of a form, in which they are found together.
type inputs struct {
	Title  string // a key of the texts
	Fields []input
	Closed bool // folded, unless a field has a value or an error
}

// Open reports whether the part is shown unfolded.
func (p inputs) Open() bool {
	return !p.Closed || slices.ContainsFunc(p.Fields, func(i input) bool { return i.Value != "" || len(i.Errors) > 0 })
}

// part makes a part of the form from fields without values.
func (f *form) part(title string, closed bool, fields ...input) inputs {
	for i := range fields {
		in := &fields[i]
		if in.Label = in.Name; in.Kind == "" {
			in.Kind = "text"
		}
		in.Name = f.prefix + in.Name
		in.Value, in.Errors = f.values.Get(in.Name), f.errs[in.Name]
		if in.Kind == "area" && (!isText(in.Value) || f.values.Get(binaryPrefix+in.Name) != "") {
			in.Binary, in.Replace = true, f.values.Get(replacePrefix+in.Name) != ""
			in.Value = strings.ReplaceAll(strings.ToValidUTF8(in.Value, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return inputs{title, fields, closed}
}

// others returns the errors of fields that the parts do not have.
func (f *form) others(parts []inputs) (all []string) {
	shown := map[string]bool{}
	for _, p := range parts {
		for _, i := range p.Fields {
			shown[i.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.errs)) {
		if !shown[name] {
			for _, msg := range f.errs[name] {
				all = append(all, name+" "+msg)
			}
		}
	}
	return all
}
