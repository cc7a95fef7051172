package console

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// Each planned time of a month is on its date, also where the clock changes at midnight: each of
// these months has a date that begins at 01:00, or one that has midnight twice.
func TestCalendarsHaveDatesWithoutMidnight(t *testing.T) {
	t.Parallel()
	hourly := &pool.TriggerInfo{Trigger: trigger.Definition{Name: "hourly", Cron: "0 * * * *", Task: task.Spec{Kind: "k"}}}
	for _, x := range []struct{ zone, month, date, first string }{
		{"America/Santiago", "2027-09", "2027-09-05", "01:00"},
		{"America/Havana", "2027-03", "2027-03-14", "01:00"},
		{"America/Havana", "2027-11", "2027-11-07", "00:00"}, // the hour from midnight on is twice
		{"Asia/Beirut", "2027-03", "2027-03-28", "01:00"},
		{"Europe/Berlin", "2027-03", "2027-03-28", "00:00"},
	} {
		now := time.Date(2027, 2, 15, 12, 0, 0, 0, time.UTC)
		hourly.Next = now.Add(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		q := &request{c: &Console{}, Request: httptest.NewRequestWithContext(ctx, "GET", "/?month="+x.month, nil)}
		m, err := q.month([]*pool.TriggerInfo{hourly}, now, x.zone)
		if err != nil {
			t.Fatalf("%s: %v", x.zone, err)
		}
		date := m.From()
		for _, week := range m.Weeks {
			for _, day := range week {
				if got := day.Date.Format(time.DateOnly); got != date.Format(time.DateOnly) {
					t.Errorf("%s: the cell of %s has %s", x.zone, date.Format(time.DateOnly), got)
				}
				first := "00:00"
				if date.Format(time.DateOnly) == x.date {
					first = x.first
				}
				if len(day.Items) != 1 || len(day.Items[0].Times) != mostOfDay || !day.Items[0].More || day.Items[0].Times[0] != first {
					t.Errorf("%s: %s has %+v", x.zone, date.Format(time.DateOnly), day.Items)
				}
				date = date.AddDate(0, 0, 1)
			}
		}
		if m.First.Format("2006-01") != x.month {
			t.Errorf("%s: the month is %v", x.zone, m.First)
		}
	}
}

// The first instant of a date is the first one of two midnights, and where the clock goes forward
// at midnight the end of the date before.
func TestDatesBeginAtTheirFirstInstant(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "America/Santiago", "America/Havana", "Atlantic/Azores", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); date.Year() < 2029; date = date.AddDate(0, 0, 1) {
			begin, want := beginOf(date, zone), date.Format(time.DateOnly)
			if got, before := begin.In(zone).Format(time.DateOnly), begin.Add(-time.Nanosecond).In(zone).Format(time.DateOnly); got != want || before >= want {
				t.Errorf("%s in %s begins at %v, after %s", want, name, begin, before)
			}
		}
	}
}

// A calendar ends with its request.
func TestCalendarsEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	now := time.Date(2027, 2, 15, 12, 0, 0, 0, time.UTC)
	q := &request{c: &Console{}, Request: httptest.NewRequestWithContext(ctx, "GET", "/", nil)}
	every := &pool.TriggerInfo{Trigger: trigger.Definition{Name: "a", Every: time.Hour, Task: task.Spec{Kind: "k"}}, Next: now}
	if _, err := q.month(slices.Repeat([]*pool.TriggerInfo{every}, 3), now, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
