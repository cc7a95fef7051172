package calendar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// event is an ICS file with one event.
func event(lines string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20270205\r\n" + lines + "END:VEVENT\r\nEND:VCALENDAR\r\n"
}

// Such a file would have other days than it says.
func TestFilesWhoseDaysWouldBeLostAreRefused(t *testing.T) {
	for _, f := range []struct{ name, text, want string }{
		{"more.json", `{"add":["2027-02-05"]} {"add":["2027-02-11"]}`, "one JSON object"},
		{"garbage.json", `{"add":["2027-02-11"]} garbage`, "one JSON object"},
		{"null.json", `null`, "one JSON object"},
		{"duration.ics", event("DURATION:P7D\r\n"), "DTEND"},
		{"end.ics", event("DTEND;VALUE=DATE:2027021x\r\n"), "2027021x"},
		{"cancelled.ics", event("STATUS:CANCELLED\r\n"), "no event"},
	} {
		path := filepath.Join(t.TempDir(), f.name)
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

func TestCancelledEventIsNoDayOfTheCalendar(t *testing.T) {
	text := event("STATUS:CONFIRMED\r\nDTEND;VALUE=DATE:20270207\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20270209\r\nSTATUS:CANCELLED\r\n")
	path := filepath.Join(t.TempDir(), "holidays.ics")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[int]bool{4: false, 5: true, 6: true, 7: false, 9: false} {
		if c.Has(time.Date(2027, 2, day, 0, 0, 0, 0, time.UTC)) != want {
			t.Errorf("2027-02-%02d: not %v", day, want)
		}
	}
}
