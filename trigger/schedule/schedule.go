// Package schedule computes when a trigger fires: by a cron expression, at a fixed rate,
// in an interval of each day, or once.
//
// Cron expressions and daily intervals are in local time. Every local time that a schedule
// names is mapped to one instant:
//
//   - a time that exists once, to that instant;
//   - a time that a clock change skips, to the first instant after the change;
//   - a time that a clock change repeats, to the first of its instants.
//
// Times that map to the same instant are one firing.
package schedule

import (
	"time"
)

// Schedule names instants.
type Schedule interface {
	// Next returns the first instant after t; zero if there is none. It is in the zone of
	// the schedule.
	Next(t time.Time) time.Time
}

// searchYears is how far the next time may be away. Two 29 February are up to eight years
// apart; those that are also a certain day of the week, up to 40.
const searchYears = 48

// Once is the schedule of a single instant.
type Once time.Time

// Next returns the instant if it is after t.
func (o Once) Next(t time.Time) time.Time {
	if at := time.Time(o); at.After(t) {
		return at
	}
	return time.Time{}
}
