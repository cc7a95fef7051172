package console

import (
	"strings"

	"github.com/ltsworker/ltsworker/internal/timespan"
	"github.com/ltsworker/ltsworker/pool"
)

// Schedule shows when a trigger fires. Durations are as the form of a trigger has them: a shorter form would be
// another schedule.
func (q *request) Schedule(t *pool.TriggerInfo) string {
	text := t.Cron
	switch {
	case t.Every > 0:
		text = q.T("schedule.every", timespan.Text(t.Every))
	case t.After > 0:
		text = q.T("schedule.after", timespan.Text(t.After))
	case t.Daily != nil:
		text = q.T("schedule.daily", t.Daily.From, t.Daily.To, timespan.Text(t.Daily.Every))
		for i, day := range t.Daily.Days {
			text += map[bool]string{true: " ", false: q.T("text.comma")}[i == 0] + q.T("month."+strings.ToLower(day.String()[:3]))
		}
	case !t.At.IsZero():
		text = q.T("schedule.at", t.At.UTC().Format("2006-01-02 15:04:05.000")+" UTC")
	}
	if t.Zone != "" {
		text += " " + t.Zone
	}
	if t.Calendar != "" {
		text += " " + q.T("schedule.on", t.Calendar)
	}
	if t.ExceptCalendar != "" {
		text += " " + q.T("schedule.except", t.ExceptCalendar)
	}
	return text
}
