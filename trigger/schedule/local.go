package schedule

import "time"

// A local time without a zone is a time.Time in UTC whose date and clock are those shown
// in the zone.

// wall returns the local time at t.
func wall(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant returns the instant of a local time: see the package comment. As a function of
// the local time it never decreases.
func instant(local time.Time, zone *time.Location) time.Time {
	// Offsets are less than a day, so no period of an offset that ended more than a day
	// before, or begins more than a day after, has the local time.
	for t, last := local.AddDate(0, 0, -1), local.AddDate(0, 0, 1); ; {
		begin, end := t.In(zone).ZoneBounds()
		_, offset := t.In(zone).Zone()
		at := local.Add(-time.Duration(offset) * time.Second)
		switch {
		case !begin.IsZero() && at.Before(begin):
			return begin.In(zone) // skipped: the earlier period had ended before it
		case end.IsZero() || at.Before(end):
			return at.In(zone)
		}
		if t = end; t.After(last) {
			return at.In(zone)
		}
	}
}

// next returns the first instant after t whose local time is one of those that following
// returns, in their order. following returns the first local time at or after one; zero if
// there is none.
func next(t time.Time, zone *time.Location, following func(local time.Time) time.Time) time.Time {
	// The local time at t maps to t or, if it is repeated, to an earlier instant. So no
	// local time before it maps to an instant after t.
	for local := following(wall(t, zone)); !local.IsZero(); local = following(local.Add(1)) {
		if at := instant(local, zone); at.After(t) {
			return at
		}
	}
	return time.Time{}
}
