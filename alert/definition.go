package alert

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/spelling"
	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/task"
)

// Definition is a rule as users write it: the keys that a rule has in a config file. Values with
// units are texts. An empty value is the default.
type Definition struct {
	When string `json:"when"`
	// Over is the threshold: a number, a percentage such as 10%, or a duration, as the condition
	// needs. The condition Replicas has Under instead.
	Over     string   `json:"over,omitempty"`
	Under    string   `json:"under,omitempty"`
	Window   string   `json:"window,omitempty"`
	Min      int      `json:"min,omitempty"`
	For      string   `json:"for,omitempty"`
	Keep     string   `json:"keep,omitempty"`
	Repeat   string   `json:"repeat,omitempty"` // a duration, or none
	Queues   []string `json:"queues,omitempty"`
	Kinds    []string `json:"kinds,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	By       []string `json:"by,omitempty"`
	Severity string   `json:"severity,omitempty"`
	To       []string `json:"to,omitempty"`
	Recovery *bool    `json:"recovery,omitempty"` // default: true
}

// maxNumber is the greatest threshold that is a number. A float64 has each whole number up to it.
const maxNumber = 1 << 53

// DefinitionKeys are the keys of a rule.
var DefinitionKeys = []string{"when", "over", "under", "window", "min", "for", "keep", "repeat", "queues", "kinds", "groups", "by", "severity", "to", "recovery"}

// mistakes collects FieldErrors. It keeps the first one of each field.
type mistakes map[string]string

func (m mistakes) add(field, format string, args ...any) {
	if _, found := m[field]; !found {
		m[field] = fmt.Sprintf(format, args...)
	}
}

// err returns the mistakes as joined FieldErrors, in the order of the keys; nil for none.
func (m mistakes) err() error {
	var errs []error
	for _, field := range slices.Concat([]string{"name"}, DefinitionKeys) {
		if msg, found := m[field]; found {
			errs = append(errs, &task.FieldError{Field: field, Msg: msg})
		}
	}
	return errors.Join(errs...)
}

// ParseDefinition reads a definition from texts by their keys, such as those of flags or of a form.
// The items of a list have commas or spaces between them. Everything that cannot be read is in the
// error, as joined *task.FieldErrors.
func ParseDefinition(values map[string]string) (Definition, error) {
	m := mistakes{}
	text := func(key string) string { return strings.TrimSpace(values[key]) }
	list := func(key string) []string {
		return strings.FieldsFunc(values[key], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	}
	d := Definition{When: text("when"), Over: text("over"), Under: text("under"), Window: text("window"), For: text("for"), Keep: text("keep"), Repeat: text("repeat"),
		Queues: list("queues"), Kinds: list("kinds"), Groups: list("groups"), By: list("by"), Severity: text("severity"), To: list("to")}
	if s := text("min"); s != "" {
		n, err := strconv.Atoi(s)
		if d.Min = n; err != nil {
			m.add("min", "must be a whole number, not %q", task.Clip(s))
		} else if n == 0 {
			m.add("min", "must be more than 0, not 0; leave it out for the default")
		}
	}
	switch s := text("recovery"); s {
	case "":
	case "true", "false":
		d.Recovery = new(s == "true")
	default:
		m.add("recovery", "must be true or false, not %q", task.Clip(s))
	}
	return d, m.err()
}

// Values returns the texts by their keys that ParseDefinition reads. It leaves out empty ones.
func (d Definition) Values() map[string]string {
	v := map[string]string{"when": d.When, "over": d.Over, "under": d.Under, "window": d.Window, "for": d.For, "keep": d.Keep, "repeat": d.Repeat,
		"queues": strings.Join(d.Queues, " "), "kinds": strings.Join(d.Kinds, " "), "groups": strings.Join(d.Groups, " "), "by": strings.Join(d.By, " "),
		"severity": d.Severity, "to": strings.Join(d.To, " ")}
	if d.Min != 0 {
		v["min"] = strconv.Itoa(d.Min)
	}
	if d.Recovery != nil {
		v["recovery"] = strconv.FormatBool(*d.Recovery)
	}
	for key, text := range v {
		if text == "" {
			delete(v, key)
		}
	}
	return v
}

// String lists the keys that are set, such as "when waiting, over 100, to ops".
func (d Definition) String() string {
	var parts []string
	values := d.Values()
	for _, key := range DefinitionKeys {
		if text := values[key]; text != "" {
			parts = append(parts, key+" "+text)
		}
	}
	return strings.Join(parts, ", ")
}

// Rule returns the rule with a name. Everything that is wrong is in the error, as joined
// *task.FieldErrors: their fields are the keys, and name. It does not know which receivers there are.
func (d Definition) Rule(name string) (Rule, error) {
	m := mistakes{}
	span := func(key, text string) time.Duration {
		if text == "" {
			return 0
		}
		v, err := timespan.Parse(text)
		if err != nil {
			m.add(key, "%v", err)
		} else if v == 0 {
			m.add(key, "must be more than 0, not %s; leave it out for the default", text)
		}
		return v
	}
	r := Rule{Name: name, When: Condition(d.When), Window: span("window", d.Window), Min: d.Min, For: span("for", d.For), Keep: span("keep", d.Keep),
		Queues: d.Queues, Kinds: d.Kinds, Groups: d.Groups, By: d.By, Severity: Severity(d.Severity), To: d.To, NoRecovery: d.Recovery != nil && !*d.Recovery}
	if r.Repeat = Never; d.Repeat != "none" {
		r.Repeat = span("repeat", d.Repeat)
	}
	if d.When == "" {
		m.add("when", "is missing, such as when: oldest_wait; there are %s", strings.Join(Conditions(), ", "))
	}
	r.Threshold = d.threshold(m, span)
	for _, e := range task.FieldErrors(r.check()) {
		field := strings.TrimPrefix(e.Field, "rules."+name+".")
		if field == "over" && d.Under != "" {
			field = "under"
		}
		m.add(field, "%s", e.Msg)
	}
	return r, m.err()
}

// threshold reads the threshold in the unit of the condition.
func (d Definition) threshold(m mistakes, span func(key, text string) time.Duration) float64 {
	key, text, when := "over", d.Over, Condition(d.When)
	if d.Under != "" {
		key, text = "under", d.Under
	}
	switch {
	case text == "" || d.When == "":
		return 0
	case d.Over != "" && d.Under != "":
		m.add("under", "cannot be given beside over")
	case key == "under" && when != Replicas:
		m.add(key, "is only for when: replicas; write over")
	case key == "over" && when == Replicas:
		m.add(key, "is not for when: replicas, which alerts below its limit; write under")
	}
	switch when.Unit() {
	case "duration":
		return span(key, text).Seconds()
	case "share":
		number, percent := strings.CutSuffix(text, "%")
		v, err := strconv.ParseFloat(strings.TrimSuffix(number, " "), 64)
		// ParseFloat also takes signs, hexadecimal numbers, NaN and exponents.
		if !percent || err != nil || strings.Trim(number, "0123456789. ") != "" {
			m.add(key, "must be a percentage such as 90%%, not %q", task.Clip(text))
		} else if v < 0.1 || v > 99.9 {
			m.add(key, "must be from 0.1%% to 99.9%%, not %s", text)
		}
		return v / 100
	case "number":
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || n > maxNumber:
			m.add(key, "must be from 0 to %d, not %s", int64(maxNumber), task.Clip(text))
		case err != nil:
			m.add(key, "must be a whole number, not %q", task.Clip(text))
		}
		// 0 would be the default: half a task is exceeded by the first one.
		return cmp.Or(float64(n), 0.5)
	}
	if _, known := conditions[when]; known {
		m.add(key, "is not for %s, which has no value to compare", when)
	}
	return 0
}

// Definition returns the rule as users write it. Defaults that are not filled in stay empty.
func (r Rule) Definition() Definition {
	d := Definition{When: string(r.When), Window: spanText(r.Window), Min: r.Min, For: spanText(r.For), Keep: spanText(r.Keep), Repeat: spanText(r.Repeat),
		Queues: r.Queues, Kinds: r.Kinds, Groups: r.Groups, By: r.By, Severity: string(r.Severity), To: r.To}
	if r.Repeat == Never {
		d.Repeat = "none"
	}
	if r.NoRecovery {
		d.Recovery = new(false)
	}
	limit := ""
	switch {
	case r.Threshold == 0:
	case r.When.Unit() == "duration":
		limit = timespan.Text(time.Duration(math.Round(r.Threshold * float64(time.Second))))
	case r.When.Unit() == "share":
		limit = strconv.FormatFloat(math.Round(r.Threshold*1e6)/1e4, 'f', -1, 64) + "%"
	case r.When.Unit() == "number":
		limit = strconv.FormatFloat(r.Limit(), 'f', -1, 64)
	}
	if r.When == Replicas {
		d.Under = limit
	} else {
		d.Over = limit
	}
	return d
}

// spanText returns the text of a duration, "" for 0.
func spanText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return timespan.Text(d)
}

// receiverHint returns the end of a message about a receiver that does not exist: the one that was
// probably meant.
func receiverHint(name string, receivers []string) string {
	if meant := spelling.Nearest(name, receivers); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return ""
}
