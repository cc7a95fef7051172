package schedule

import (
	"errors"
	"fmt"
	"time"
)

const day = 24 * time.Hour

// Daily names times of each day: From, and the times that are a multiple of Every after
// it, up to To. From and To are times since the begin of the day. If To is not after From,
// the interval ends on the next day.
type Daily struct {
	From, To, Every time.Duration
	// Days are the days of the week on which the interval begins; none are all days.
	Days []time.Weekday
	zone *time.Location
}

// NewDaily returns an error that says what is wrong with d.
func NewDaily(d Daily, zone *time.Location) (*Daily, error) {
	switch {
	case d.From < 0 || d.From >= day:
		return nil, errors.New("must begin from 00:00 to 23:59:59")
	case d.To < 0 || d.To > day:
		return nil, errors.New("must end from 00:00 to 24:00")
	case d.Every < time.Second:
		return nil, fmt.Errorf("must be every 1s or longer, not %v", d.Every)
	case d.Every > day:
		return nil, fmt.Errorf("must be every 24h at most, not %v", d.Every)
	case d.Every%time.Second != 0:
		return nil, fmt.Errorf("must be every whole number of seconds, not %v", d.Every)
	}
	d.zone = zone
	return &d, nil
}

// ParseClock reads a time of day such as 09:30, 17:00:30 or 24:00.
func ParseClock(text string) (time.Duration, error) {
	if text == "24:00" || text == "24:00:00" {
		return day, nil
	}
	for _, form := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.Sub(t.Truncate(day)), nil
		}
	}
	return 0, errors.New("must be a time of day such as 09:30, 17:00:30 or 24:00")
}

// Next implements Schedule.
func (d *Daily) Next(t time.Time) time.Time { return next(t, d.zone, d.following) }

// following returns the first local time of the schedule at or after one.
func (d *Daily) following(local time.Time) time.Time {
	length := d.To - d.From
	if length <= 0 {
		length += day
	}
	midnight := local.Truncate(day)
	// The interval that began yesterday may continue, and eight days have each day of the week.
	for n := -1; n <= 8; n++ {
		begin := midnight.AddDate(0, 0, n).Add(d.From)
		if !d.on(begin.Weekday()) {
			continue
		}
		at := begin
		if local.After(begin) {
			at = begin.Add((local.Sub(begin) + d.Every - 1) / d.Every * d.Every)
		}
		if at.Sub(begin) <= length {
			return at
		}
	}
	return time.Time{}
}

func (d *Daily) on(w time.Weekday) bool {
	if len(d.Days) == 0 {
		return true
	}
	for _, o := range d.Days {
		if o == w {
			return true
		}
	}
	return false
}
