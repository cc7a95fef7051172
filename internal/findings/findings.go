// Package findings has the codes of what an inspection finds and their texts in English. The values of a
// finding fill in the places of its texts, so that another program can write the same in another language.
package findings

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Text is the English text of a code. What and Do have places for values: see Fill.
type Text struct {
	Check    string
	Severity task.Severity
	What, Do string
}

// Codes returns all codes, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(texts)) }

// Of returns the English text of a code. known is false for a code that this version does not have.
func Of(code string) (t Text, known bool) {
	t, known = texts[code]
	return t, known
}

// Value is a value of a finding.
type Value struct {
	name, text string
	figure     float64
	numeric    bool
	severity   task.Severity
}

// As gives the finding another severity than its code has.
func As(s task.Severity) Value { return Value{severity: s} }

// Named is a name or a text.
func Named(name, text string) Value { return Value{name: name, text: text} }

// Count is a number.
func Count(name string, n int) Value { return Figure(name, float64(n)) }

// Figure is a number that need not be an integer.
func Figure(name string, v float64) Value { return Value{name: name, figure: v, numeric: true} }

// Millis is a duration in ms, to the microsecond.
func Millis(name string, d time.Duration) Value {
	return Figure(name, float64(d.Microseconds())/1000)
}

// New returns the finding of a code with its values.
func New(code string, values ...Value) task.Finding {
	t, known := texts[code]
	if !known {
		t = Text{Check: entries, Severity: task.SeverityError}
	}
	f := task.Finding{Severity: t.Severity, Check: t.Check, Code: code}
	for _, v := range values {
		switch {
		case v.severity != "":
			f.Severity = v.severity
		case v.numeric:
			if f.Figures == nil {
				f.Figures = map[string]float64{}
			}
			f.Figures[v.name] = v.figure
		case v.name == "id":
			f.Task = v.text
		default:
			if f.Values == nil {
				f.Values = map[string]string{}
			}
			f.Values[v.name] = v.text
		}
	}
	return English(f)
}

// English sets the texts of a finding from its code and its values.
func English(f task.Finding) task.Finding {
	value := func(name string) string { return Read(&f, name) }
	t, known := texts[f.Code]
	if !known {
		t.What = f.Code + " {id} {detail}"
	}
	f.What, f.Do = Fill(t.What, value), Fill(t.Do, value)
	return f
}

// Read returns a value of a finding as a text. id is the task or another member, "" if there is none.
func Read(f *task.Finding, name string) string {
	if name == "id" {
		return f.Task
	}
	if v, ok := f.Figures[name]; ok {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return f.Values[name]
}

// place is a place of a text: {NAME}, {"NAME"} or {NAME|ONE|MANY}.
var place = regexp.MustCompile(`\{("?)([a-z_]+)"?((?:\|[^{}|]*)*)\}`)

// Fill writes values into the places of a text. {NAME} is replaced by the value, {"NAME"} by the value in quotes,
// {NAME|ONE|MANY} by one of two texts, and {NAME|NONE|ONE|MANY} by one of three. # in them stands for the value.
func Fill(text string, value func(name string) string) string {
	return place.ReplaceAllStringFunc(text, func(found string) string {
		m := place.FindStringSubmatch(found)
		v := value(m[2])
		if m[1] != "" {
			v = strconv.Quote(v)
		}
		if m[3] == "" {
			return v
		}
		forms := strings.Split(m[3][1:], "|")
		form := forms[len(forms)-1]
		switch {
		case v == "0" && len(forms) > 2:
			form = forms[0]
		case v == "1" && len(forms) > 1:
			form = forms[len(forms)-2]
		}
		return strings.ReplaceAll(form, "#", v)
	})
}

// Places returns the names of the values that a text has places for, sorted, each once.
func Places(text string) (names []string) {
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		names = append(names, m[2])
	}
	slices.Sort(names)
	return slices.Compact(names)
}
