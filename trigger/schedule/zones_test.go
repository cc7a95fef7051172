package schedule

import (
	"flag"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"
)

// zones have clock changes of an hour, half an hour and a whole day, at midnight and at
// other times, in both hemispheres, offsets of quarters of an hour, and none at all.
var zones = []struct {
	name string
	year int // of the first of two years; those of unusual changes
}{
	{"UTC", 2025}, {"Europe/Berlin", 2025}, {"Europe/London", 2025}, {"Europe/Dublin", 2025}, {"America/New_York", 2025},
	{"America/Los_Angeles", 2025}, {"America/St_Johns", 2010}, {"America/Sao_Paulo", 2017}, {"America/Havana", 2025},
	{"America/Santiago", 2025}, {"Asia/Shanghai", 2025}, {"Asia/Kolkata", 2025}, {"Asia/Kathmandu", 2025}, {"Asia/Tehran", 2021},
	{"Asia/Beirut", 2025}, {"Asia/Pyongyang", 2015}, {"Africa/Casablanca", 2025}, {"Australia/Lord_Howe", 2025},
	{"Australia/Sydney", 2025}, {"Pacific/Apia", 2010}, {"Pacific/Chatham", 2025}, {"Africa/Cairo", 2025},
}

// shapes are schedules with the rule of their local times, whose seconds are 0.
var shapes = []struct {
	name    string
	make    func(*time.Location) (Schedule, error)
	matches func(local time.Time) bool
}{
	{"* * * * *", parsed("* * * * *"), func(time.Time) bool { return true }},
	{"*/15 * * * *", parsed("*/15 * * * *"), func(l time.Time) bool { return l.Minute()%15 == 0 }},
	{"30 2 * * *", parsed("30 2 * * *"), func(l time.Time) bool { return l.Hour() == 2 && l.Minute() == 30 }},
	{"0 0 * * *", parsed("0 0 * * *"), func(l time.Time) bool { return l.Hour() == 0 && l.Minute() == 0 }},
	{"30 23 * * 6", parsed("30 23 * * 6"), func(l time.Time) bool {
		return l.Hour() == 23 && l.Minute() == 30 && l.Weekday() == time.Saturday
	}},
	{"15 1-3 * * SUN", parsed("15 1-3 * * SUN"), func(l time.Time) bool {
		return l.Minute() == 15 && l.Hour() >= 1 && l.Hour() <= 3 && l.Weekday() == time.Sunday
	}},
	{"0 2 L * *", parsed("0 2 L * *"), func(l time.Time) bool {
		return l.Hour() == 2 && l.Minute() == 0 && l.AddDate(0, 0, 1).Day() == 1
	}},
	{"45 0 30 12 5", parsed("45 0 30 12 5"), func(l time.Time) bool {
		return l.Hour() == 0 && l.Minute() == 45 && l.Month() == time.December && (l.Day() == 30 || l.Weekday() == time.Friday)
	}},
	{"every 20 min from 22:30 to 03:30", func(z *time.Location) (Schedule, error) {
		return NewDaily(Daily{From: 22*time.Hour + 30*time.Minute, To: 3*time.Hour + 30*time.Minute, Every: 20 * time.Minute}, z)
	}, func(l time.Time) bool {
		at := l.Sub(l.Truncate(day))
		if at < 12*time.Hour {
			at += day
		}
		since := at - 22*time.Hour - 30*time.Minute
		return since >= 0 && since <= 5*time.Hour && since%(20*time.Minute) == 0
	}},
	{"every hour from 00:00 to 24:00 on Sundays", func(z *time.Location) (Schedule, error) {
		return NewDaily(Daily{To: day, Every: time.Hour, Days: []time.Weekday{time.Sunday}}, z)
	}, func(l time.Time) bool {
		return l.Minute() == 0 && (l.Weekday() == time.Sunday || l.Weekday() == time.Monday && l.Hour() == 0)
	}},
}

func parsed(expression string) func(*time.Location) (Schedule, error) {
	return func(z *time.Location) (Schedule, error) { return ParseCron(expression, z, "") }
}

var full = flag.Bool("full", false, "compare two years of each zone; otherwise the days around clock changes")

// TestEveryLocalTimeFiresOnce compares each schedule with a walk over minutes of two
// years: a minute whose local time was not shown before fires; the first minute after a
// change also fires for the local times that the change skipped.
func TestEveryLocalTimeFiresOnce(t *testing.T) {
	for _, z := range zones {
		t.Run(z.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(z.name)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Date(z.year, 1, 1, 12, 0, 0, 0, time.UTC)
			end := begin.AddDate(2, 0, 0)
			if *full {
				compare(t, begin, end, zone)
				return
			}
			compare(t, begin, begin.Add(2*day), zone)
			for {
				_, change := begin.In(zone).ZoneBounds()
				if change.IsZero() || !change.Before(end) {
					return
				}
				compare(t, change.UTC().Add(-36*time.Hour), change.UTC().Add(36*time.Hour), zone)
				begin = change
			}
		})
	}
}

// compare compares the firings from begin to end.
func compare(t *testing.T, begin, end time.Time, zone *time.Location) {
	t.Helper()
	fires := walk(begin, end, zone)
	for i, shape := range shapes {
		s, err := shape.make(zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []time.Time
		for at := s.Next(begin.Add(-1)); at.Before(end); at = s.Next(at) {
			if at.IsZero() {
				t.Fatalf("%s ends", shape.name)
			}
			got = append(got, at.UTC())
		}
		if !slices.Equal(fires[i], got) {
			t.Errorf("%s: %d firings, want %d: %s", shape.name, len(got), len(fires[i]), firstDifference(fires[i], got, zone))
		}
	}
}

// walk returns the firings of each shape.
func walk(begin, end time.Time, zone *time.Location) [][]time.Time {
	fires := make([][]time.Time, len(shapes))
	latest := shown(begin.Add(-time.Minute), zone)
	for at := begin; at.Before(end); at = at.Add(time.Minute) {
		local := shown(at, zone)
		if !local.After(latest) {
			continue
		}
		for i, shape := range shapes {
			for l := latest.Add(time.Minute); !l.After(local); l = l.Add(time.Minute) {
				if shape.matches(l) {
					fires[i] = append(fires[i], at)
					break
				}
			}
		}
		latest = local
	}
	return fires
}

// shown returns what a clock in the zone shows, in UTC.
func shown(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func firstDifference(want, got []time.Time, zone *time.Location) string {
	for i := range min(len(want), len(got)) {
		if !want[i].Equal(got[i]) {
			return got[i].In(zone).String() + ", want " + want[i].In(zone).String()
		}
	}
	return "one list is longer"
}
