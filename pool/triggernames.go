package pool

import (
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// The names of triggers: see names.go.
type (
	// Trigger describes a trigger: when it fires, and the task of each firing. See
	// trigger.Definition.
	//
	//	// Name names the trigger in its pool. Characters: see task.CheckName.
	//	Name string
	//
	//	// Cron is a cron expression of five fields, or of six with seconds first. See
	//	// schedule.ParseCron.
	//	Cron string
	//	// Every is a fixed rate, at least 50 ms: the trigger fires at Start, or this long after
	//	// it was set, and then every so often. A slow task does not delay the next firing.
	//	Every time.Duration
	//	// After is a fixed delay, at least 50 ms: the trigger fires so long after the end of its
	//	// last task, the first time at Start, or so long after it was set.
	//	After time.Duration
	//	// Daily fires at regular times between two times of each day.
	//	Daily *Daily
	//	// At is a single time.
	//	At time.Time
	//
	//	// Zone is the time zone of Cron, Daily and the calendars, such as Europe/Berlin.
	//	// Default: UTC.
	//	Zone string
	//	// Calendar is the name of a calendar: the trigger fires only on its days. Default: none.
	//	Calendar string
	//	// ExceptCalendar is the name of a calendar on whose days the trigger does not fire.
	//	// Default: none.
	//	ExceptCalendar string
	//	// Start and End bound the planned times: from Start on, before End. Default: none.
	//	Start, End time.Time
	//	// Jitter delays each firing by a random time below it, at most an hour. Default: 0.
	//	Jitter time.Duration
	//
	//	// Misfire says what happens with planned times that passed while no replica could fire.
	//	// Default: MisfireOnce.
	//	Misfire Misfire
	//	// MisfireMax is how many of them MisfireAll makes up for: the newest ones. At most
	//	// 1,000. Default: 100.
	//	MisfireMax int
	//	// CatchUp is how old a planned time may be that is made up for. Default: 24 h.
	//	CatchUp time.Duration
	//	// Grace is how late a firing may be without being a misfire. Default: one minute.
	//	Grace time.Duration
	//	// Overlap says what happens when the trigger fires while its last task has not ended.
	//	// Default: OverlapAllow. A trigger with After has at most one task
	//	// that its schedule has made.
	//	Overlap Overlap
	//
	//	// Paused keeps the trigger from firing until it is resumed. Default: false.
	//	Paused bool
	//
	//	// Task is the task of each firing. ID, RunAt and Reply must not be set.
	//	Task task.Spec
	//	// PayloadTemplate is a payload with the planned time in it, in place of Task.Payload:
	//	// see PayloadFields. Default: none.
	//	PayloadTemplate string
	Trigger = trigger.Definition
	// Daily fires at regular times between two times of each day. See trigger.Daily.
	//
	//	From, To string
	//	// Every is a whole number of seconds.
	//	Every time.Duration
	//	// Days are the days of the week on which the interval begins. Default: all.
	//	Days []time.Weekday
	Daily = trigger.Daily
	// Misfire is a rule for planned times that passed while no replica could fire. See
	// trigger.Misfire.
	Misfire = trigger.Misfire
	// Overlap is a rule for a firing while the last task of the trigger has not ended. See
	// trigger.Overlap.
	Overlap = trigger.Overlap
	// Calendar names days on which triggers fire or do not fire. See trigger.Calendar.
	Calendar = trigger.Calendar
	// TriggerRecord is an entry of a trigger's history. See task.TriggerRecord.
	//
	//	Planned time.Time      // the planned time; of a run besides the schedule, when it was requested
	//	Last    time.Time      // of several planned times that were missed: the last one; zero for one
	//	At      time.Time      // when it was handled
	//	Outcome TriggerOutcome // what became of it
	//	Task    string         // the id of the task; "" for none
	//	Why     string         // why no task was made; "" if one was made
	TriggerRecord = task.TriggerRecord
	// TriggerOutcome is what became of a planned time of a trigger. See
	// task.TriggerOutcome.
	TriggerOutcome = task.TriggerOutcome
)
