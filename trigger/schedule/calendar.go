package schedule

import "time"

// Calendar names days.
type Calendar interface {
	// Has reports whether the calendar has the day. Days are local dates; t is UTC.
	Has(day time.Time) bool
}

// maxSkipped is how many days in a row a calendar may exclude: nothing follows a longer
// pause.
const maxSkipped = 3 * 366

// On is a schedule that fires on days of a calendar only, or, if Not is set, on other days
// only. The day is that of the local time in Zone.
type On struct {
	Schedule
	Calendar Calendar
	Not      bool
	Zone     *time.Location
}

// Next implements Schedule.
func (o On) Next(t time.Time) time.Time {
	for range maxSkipped {
		if t = o.Schedule.Next(t); t.IsZero() {
			return t
		}
		date := wall(t, o.Zone).Truncate(day)
		if o.Calendar.Has(date) != o.Not {
			return t
		}
		// Continue with the last instant before the next day.
		t = instant(date.AddDate(0, 0, 1), o.Zone).Add(-1)
	}
	return time.Time{}
}

// Between is a schedule that begins at From and ends before To; zero for no bound.
type Between struct {
	Schedule
	From, To time.Time
}

// Next implements Schedule.
func (b Between) Next(t time.Time) time.Time {
	if !b.From.IsZero() && t.Before(b.From) {
		t = b.From.Add(-1)
	}
	if t = b.Schedule.Next(t); !b.To.IsZero() && !t.Before(b.To) {
		return time.Time{}
	}
	return t
}
