package calendar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

const (
	maxFile = 4 << 20 // bytes
	maxDays = 20_000  // in a file
)

// Read reads a calendar from a file whose name ends in .json or .ics.
//
// A JSON file lists days and periods of days. based_on names a calendar of Named that
// decides about the days not listed:
//
//	{"based_on": "cn-workdays", "add": ["2027-02-14"], "remove": ["2027-02-05/2027-02-11"], "until": "2027-12-31"}
//
// until is the last day of the data; without it, it is that of based_on.
//
// An ICS file has the days of its events, without those that are cancelled. Repeating events
// and those with a DURATION are refused. The data ends with the year of the last event.
func Read(path string) (*Calendar, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: must have at most 4 MiB", path)
	}
	var c *Calendar
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		c, err = parseJSON(text)
	case ".ics":
		c, err = parseICS(text)
	default:
		err = errors.New("must end in .json or .ics")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseJSON(text []byte) (*Calendar, error) {
	var file struct {
		BasedOn     string `json:"based_on"`
		Add, Remove []string
		Until       string
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil, errors.New("must be one JSON object")
	}
	c := &Calendar{days: map[time.Time]bool{}}
	var err error
	if file.BasedOn != "" {
		if c.base, err = Named(file.BasedOn); err != nil {
			return nil, err
		}
	}
	if file.Until != "" {
		if c.until, err = time.Parse(time.DateOnly, file.Until); err != nil {
			return nil, fmt.Errorf("until must be a date such as 2027-12-31, not %q", file.Until)
		}
	}
	if err := c.list(file.Add, true); err != nil {
		return nil, err
	}
	return c, c.list(file.Remove, false)
}

// list lists days, or periods FIRST/LAST.
func (c *Calendar) list(days []string, in bool) error {
	for _, text := range days {
		from, to, period := strings.Cut(text, "/")
		if !period {
			to = from
		}
		first, err1 := time.Parse(time.DateOnly, from)
		last, err2 := time.Parse(time.DateOnly, to)
		if err1 != nil || err2 != nil || last.Before(first) {
			return fmt.Errorf("%q must be a date such as 2027-02-05, or two of them: 2027-02-05/2027-02-11", text)
		}
		if err := c.add(first, last, in); err != nil {
			return err
		}
	}
	return nil
}

// add lists the days from first to last.
func (c *Calendar) add(first, last time.Time, in bool) error {
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		if len(c.days) == maxDays {
			return fmt.Errorf("must list at most %d days", maxDays)
		}
		if other, listed := c.days[day]; listed && other != in {
			return fmt.Errorf("%s is both added and removed", day.Format(time.DateOnly))
		}
		c.days[day] = in
	}
	return nil
}

func parseICS(text []byte) (*Calendar, error) {
	file, err := ics.ParseCalendar(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := &Calendar{days: map[time.Time]bool{}}
	for _, e := range file.Events() {
		if status := e.GetProperty(ics.ComponentPropertyStatus); status != nil && strings.EqualFold(status.Value, string(ics.ObjectStatusCancelled)) {
			continue
		}
		if e.GetProperty(ics.ComponentPropertyRrule) != nil || e.GetProperty(ics.ComponentPropertyRdate) != nil {
			return nil, fmt.Errorf("the event %q repeats: list its days one by one", e.Id())
		}
		first, last, err := days(e)
		if err != nil {
			return nil, fmt.Errorf("the event %q: %w", e.Id(), err)
		}
		if err := c.add(first, last, true); err != nil {
			return nil, err
		}
		if end := time.Date(last.Year(), time.December, 31, 0, 0, 0, 0, time.UTC); end.After(c.until) {
			c.until = end
		}
	}
	if len(c.days) == 0 {
		return nil, errors.New("has no event")
	}
	return c, nil
}

// days returns the first and the last day of an event.
func days(e *ics.VEvent) (first, last time.Time, err error) {
	if e.GetProperty(ics.ComponentPropertyDuration) != nil {
		return first, last, errors.New("has a DURATION: give its end as DTEND")
	}
	hasEnd := e.GetProperty(ics.ComponentPropertyDtEnd) != nil
	if p := e.GetProperty(ics.ComponentPropertyDtStart); p != nil && len(p.Value) == len("20060102") {
		begin, err := e.GetAllDayStartAt()
		if err != nil {
			return first, last, err
		}
		first, last = date(begin), date(begin)
		if !hasEnd {
			return first, last, nil
		}
		end, err := e.GetAllDayEndAt()
		if err == nil && date(end).After(first) {
			last = date(end).AddDate(0, 0, -1) // the end is exclusive
		}
		return first, last, err
	}
	begin, err := e.GetStartAt()
	if err != nil {
		return first, last, err
	}
	first, last = date(begin), date(begin)
	if !hasEnd {
		return first, last, nil
	}
	end, err := e.GetEndAt()
	if err == nil && end.After(begin) {
		last = date(end.Add(-1))
	}
	return first, last, err
}
