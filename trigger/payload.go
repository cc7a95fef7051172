package trigger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// PayloadFields are the names that a payload template may have between {{ and }}:
//
//	{{planned}}       the planned time in the zone of the trigger, as 2026-03-01T09:00:00+01:00
//	{{planned_ms}}    the planned time in milliseconds since 1970
//	{{planned_date}}  its local date, as 2026-03-01
//	{{planned_time}}  its local time of day, as 09:00:00
//	{{trigger}}       the name of the trigger
func PayloadFields() []string { return slices.Sorted(maps.Keys(payloadFields)) }

var payloadFields = map[string]func(name string, planned time.Time) string{
	"planned":      func(_ string, t time.Time) string { return t.Format(time.RFC3339) },
	"planned_ms":   func(_ string, t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
	"planned_date": func(_ string, t time.Time) string { return t.Format(time.DateOnly) },
	"planned_time": func(_ string, t time.Time) string { return t.Format(time.TimeOnly) },
	"trigger":      func(name string, _ time.Time) string { return name },
}

// payloadTemplate is a parsed template: texts and, between them, fields.
type payloadTemplate struct {
	texts  []string
	fields []func(name string, planned time.Time) string
}

func parsePayload(text string) (*payloadTemplate, error) {
	t := &payloadTemplate{}
	for {
		before, rest, found := strings.Cut(text, "{{")
		t.texts = append(t.texts, before)
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, fmt.Errorf("has {{ without }}: %q", task.Clip("{{"+rest))
		}
		field := payloadFields[strings.TrimSpace(name)]
		if field == nil {
			return nil, fmt.Errorf("has no field %q: there are %s", task.Clip(strings.TrimSpace(name)), strings.Join(PayloadFields(), ", "))
		}
		t.fields = append(t.fields, field)
		text = after
	}
}

func (t *payloadTemplate) fill(name string, planned time.Time) []byte {
	var b []byte
	for i, text := range t.texts {
		b = append(b, text...)
		if i < len(t.fields) {
			b = append(b, t.fields[i](name, planned)...)
		}
	}
	return b
}
