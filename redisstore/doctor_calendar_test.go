package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/task"
)

func TestCalendarWhoseDataEndsSoonIsFound(t *testing.T) {
	s := newSite(t, redisserver.Shared(t).Client(t))
	now := s.now(t)
	day := func(d int) time.Time { return now.AddDate(0, 0, d) }
	for id, ends := range map[string]map[string]time.Time{
		"old": {"cn": day(20), "later": day(40), "unused": day(1)},
		"new": {"cn": day(300), "gone": day(-3)},
	} {
		if _, err := s.store.Join(t.Context(), task.Registration{Replica: id, Lease: time.Hour, CalendarEnds: ends}); err != nil {
			t.Fatal(err)
		}
	}
	for name, definition := range map[string]string{
		"a": `{"calendar":"cn"}`, "b": `{"calendar":"later","except_calendar":"cn"}`, "c": `{"except_calendar":"gone"}`, "d": `{}`, "e": `{`,
	} {
		done, err := s.store.SetTrigger(t.Context(), task.TriggerChange{Name: name, Definition: definition, Planned: day(1), Due: day(1), Anchor: now})
		if err != nil || !done {
			t.Fatal(done, err)
		}
	}
	var got []string
	for _, f := range s.findings(t, "triggers") {
		if f.Severity != task.SeverityWarning || f.Do == "" {
			t.Errorf("%+v", f)
		}
		got = append(got, f.What)
	}
	want := []string{
		"trigger a and 1 more use calendar cn, whose data on replica old ends on " + day(20).UTC().Format(time.DateOnly) + "; later days are a guess",
		"trigger c uses calendar gone, whose data on replica new ends on " + day(-3).UTC().Format(time.DateOnly) + "; later days are a guess",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
