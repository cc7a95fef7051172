package calendar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/trigger/schedule"
)

func on(t *testing.T, text string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// TestWorkDaysOfChina has days of the announcements of the State Council for 2025 and 2026.
func TestWorkDaysOfChina(t *testing.T) {
	c, err := Named("cn-workdays")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"2026-02-14": true, // a Saturday
		"2026-05-09": true, // a Saturday
		"2026-10-01": false,
		"2026-02-16": false, // a Monday
		"2026-03-09": true,
		"2026-03-07": false, // a Saturday
		"2025-01-26": true,  // a Sunday
		"2025-10-08": false,
	} {
		if got := c.Has(on(t, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if c.Until().Before(on(t, "2026-12-31")) {
		t.Errorf("the data ends on %v", c.Until())
	}
	after := c.Until().AddDate(0, 0, 1)
	for !isWeekday(after) {
		after = after.AddDate(0, 0, 1)
	}
	if !c.Has(after) {
		t.Errorf("%v is a weekday without data, and no work day", after)
	}
}

func TestFileOverridesItsBase(t *testing.T) {
	c := read(t, "x.json", `{"based_on": "cn-workdays", "add": ["2026-10-01"], "remove": ["2026-02-14", "2026-03-02/2026-03-06"], "until": "2027-12-31"}`)
	for text, want := range map[string]bool{
		"2026-10-01": true, "2026-10-02": false, "2026-02-14": false, "2026-05-09": true,
		"2026-03-01": false, "2026-03-02": false, "2026-03-06": false, "2026-03-09": true,
	} {
		if got := c.Has(on(t, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if want := on(t, "2027-12-31"); !c.Until().Equal(want) {
		t.Errorf("the data ends on %v, want %v", c.Until(), want)
	}
	// The next work day at nine after the Friday before the removed week.
	s, err := schedule.ParseCron("0 9 * * *", time.UTC, "")
	if err != nil {
		t.Fatal(err)
	}
	at := schedule.On{Schedule: s, Calendar: c, Zone: time.UTC}.Next(time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC); !at.Equal(want) {
		t.Errorf("next %v, want %v", at, want)
	}
}

func TestEventsAreDays(t *testing.T) {
	c := read(t, "x.ics", strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20270102T220000Z
DTEND:20270103T020000Z
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n"))
	for text, want := range map[string]bool{
		"2026-12-23": false, "2026-12-24": true, "2026-12-26": true, "2026-12-27": false,
		"2027-01-01": false, "2027-01-02": true, "2027-01-03": true, "2027-01-04": false,
	} {
		if got := c.Has(on(t, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if want := on(t, "2027-12-31"); !c.Until().Equal(want) {
		t.Errorf("the data ends on %v, want %v", c.Until(), want)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for name, tt := range map[string][2]string{
		"a field that does not exist": {"x.json", `{"days": []}`},
		"a base that does not exist":  {"x.json", `{"based_on": "de"}`},
		"a date that does not exist":  {"x.json", `{"add": ["2026-02-30"]}`},
		"a period that ends first":    {"x.json", `{"add": ["2026-02-05/2026-02-01"]}`},
		"a day twice":                 {"x.json", `{"add": ["2026-02-05"], "remove": ["2026-02-05"]}`},
		"too many days":               {"x.json", `{"add": ["1900-01-01/2026-02-01"]}`},
		"no calendar":                 {"x.ics", "hello"},
		"no event":                    {"x.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"},
		"an event that repeats":       {"x.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"},
		"an event without a begin":    {"x.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"},
		"another kind of file":        {"x.txt", ""},
	} {
		path := filepath.Join(t.TempDir(), tt[0])
		if err := os.WriteFile(path, []byte(tt[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func read(t *testing.T, name, text string) *Calendar {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
