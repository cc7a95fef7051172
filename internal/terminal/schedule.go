package terminal

import (
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/trigger"
)

// Schedule returns the schedule of a trigger in one line.
func Schedule(t *trigger.Definition) string {
	text := t.Cron
	switch {
	case t.Every > 0:
		text = "every " + Duration(t.Every)
	case t.After > 0:
		text = "after " + Duration(t.After)
	case t.Daily != nil:
		text = fmt.Sprintf("%s-%s every %s", t.Daily.From, t.Daily.To, Duration(t.Daily.Every))
		for i, day := range t.Daily.Days {
			text += map[bool]string{true: " ", false: ","}[i == 0] + strings.ToLower(day.String()[:3])
		}
	case !t.At.IsZero():
		text = "at " + t.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	if t.Zone != "" {
		text += " " + t.Zone
	}
	if t.Calendar != "" {
		text += " on " + t.Calendar
	}
	if t.ExceptCalendar != "" {
		text += " except " + t.ExceptCalendar
	}
	return text
}
