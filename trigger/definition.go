// Package trigger computes what triggers do: which planned times a definition has, which of
// them get a task, and with which payload. It does not know where triggers are kept.
//
// Services use Pool.Triggers of package pool. The schedules are in package schedule,
// calendars that need libraries in package calendar.
package trigger

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger/schedule"
)

// Definition describes a trigger: when it fires, and the task of each firing. Name,
// Task.Kind and one of Cron, Every, After, Daily and At are required. The zero value of
// every other field means its documented default. Durations are whole milliseconds.
type Definition struct {
	// Name names the trigger in its pool. Characters: see task.CheckName.
	Name string

	// Cron is a cron expression of five fields, or of six with seconds first. See
	// schedule.ParseCron.
	Cron string
	// Every is a fixed rate, at least 50 ms: the trigger fires at Start, or this long after
	// it was set, and then every so often. A slow task does not delay the next firing.
	Every time.Duration
	// After is a fixed delay, at least 50 ms: the trigger fires so long after the end of its
	// last task, the first time at Start, or so long after it was set.
	After time.Duration
	// Daily fires at regular times between two times of each day.
	Daily *Daily
	// At is a single time.
	At time.Time

	// Zone is the time zone of Cron, Daily and the calendars, such as Europe/Berlin.
	// Default: UTC.
	Zone string
	// Calendar is the name of a calendar: the trigger fires only on its days. Default: none.
	Calendar string
	// ExceptCalendar is the name of a calendar on whose days the trigger does not fire.
	// Default: none.
	ExceptCalendar string
	// Start and End bound the planned times: from Start on, before End. Default: none.
	Start, End time.Time
	// Jitter delays each firing by a random time below it, at most an hour. Default: 0.
	Jitter time.Duration

	// Misfire says what happens with planned times that passed while no replica could fire.
	// Default: MisfireOnce.
	Misfire Misfire
	// MisfireMax is how many of them MisfireAll makes up for: the newest ones. At most
	// 1,000. Default: 100.
	MisfireMax int
	// CatchUp is how old a planned time may be that is made up for. Default: 24 h.
	CatchUp time.Duration
	// Grace is how late a firing may be without being a misfire. Default: one minute.
	Grace time.Duration
	// Overlap says what happens when the trigger fires while its last task has not ended.
	// Default: OverlapAllow. A trigger with After has at most one task
	// that its schedule has made.
	Overlap Overlap

	// Paused keeps the trigger from firing until it is resumed. Default: false.
	Paused bool

	// Task is the task of each firing. ID, RunAt and Reply must not be set.
	Task task.Spec
	// PayloadTemplate is a payload with the planned time in it, in place of Task.Payload:
	// see PayloadFields. Default: none.
	PayloadTemplate string
}

// Daily fires at From and then every so often up to To. From and To are times of day such
// as 09:00. If To is not after From, the interval ends on the next day.
type Daily struct {
	From, To string
	// Every is a whole number of seconds.
	Every time.Duration
	// Days are the days of the week on which the interval begins. Default: all.
	Days []time.Weekday
}

// Misfire is a rule for planned times that passed while no replica could fire. They are
// misfires if the first of them is late by more than the grace.
type Misfire string

// The rules for misfires.
const (
	MisfireSkip Misfire = "skip" // makes no task for them
	MisfireOnce Misfire = "once" // makes one task, with the last of them as its planned time
	MisfireAll  Misfire = "all"  // makes a task for each, up to a maximum
)

// Overlap is a rule for a firing while the last task of the trigger has not ended.
type Overlap string

// The rules for overlaps.
const (
	OverlapAllow Overlap = "allow" // makes the task
	OverlapSkip  Overlap = "skip"  // makes no task
	OverlapQueue Overlap = "queue" // makes the task when the last one has ended; one firing waits at most
	OverlapStop  Overlap = "stop"  // stops the last task and makes the new one at once
)

// The defaults and bounds of a definition.
const (
	DefaultGrace      = time.Minute
	DefaultCatchUp    = 24 * time.Hour
	DefaultMisfireMax = 100
	MaxMisfireMax     = 1000
	MaxJitter         = time.Hour
)

// Calendar names days; see schedule.Calendar.
type Calendar = schedule.Calendar

// SameTimes reports whether two definitions have the same planned times. A change between
// such definitions does not move the planned time.
func (d *Definition) SameTimes(o *Definition) bool {
	return string(d.times().encode()) == string(o.times().encode())
}

// times is the definition with only the fields that its planned times depend on.
func (d *Definition) times() *Definition {
	return &Definition{
		Name: d.Name, Cron: d.Cron, Every: d.Every, After: d.After, Daily: d.Daily, At: d.At, Zone: d.Zone, Calendar: d.Calendar,
		ExceptCalendar: d.ExceptCalendar, Start: d.Start, End: d.End, Jitter: d.Jitter,
	}
}

// ScheduleField returns the name of the field that has the schedule.
func (d *Definition) ScheduleField() string {
	switch {
	case d.Every != 0:
		return "every"
	case d.After != 0:
		return "after"
	case d.Daily != nil:
		return "daily"
	case !d.At.IsZero():
		return "at"
	default:
		return "cron"
	}
}
