package task

import "time"

// StoredTrigger is what a store keeps of a trigger. The store does not read the
// definition. Zero times mean none.
type StoredTrigger struct {
	Name       string
	Definition string // as it was set
	Version    string // another one after each change; "" for a trigger that does not exist
	// Origin says what has set the trigger: "" for a client, else the name of a config file.
	Origin  string
	Planned time.Time // the next planned time
	Due     time.Time // when it is due: Planned and the jitter
	Pending time.Time // a planned time that waits for the end of Task
	Anchor  time.Time // of a fixed rate
	Paused  bool
	SetAt   time.Time // when the definition was last changed
	// Task is the latest task of a trigger that must know whether it is live.
	Task string
	// At is when a trigger that a replica has got is to be handled: Due, unless it is
	// handled for another reason.
	At time.Time
}

// TriggerChange is a change of a trigger, computed from what was read of it before.
type TriggerChange struct {
	Read       StoredTrigger
	Name       string
	Definition string
	Origin     string
	// KeepPlan keeps the planned time that is stored, whatever it is then.
	KeepPlan     bool
	Planned, Due time.Time
	Anchor       time.Time
	After        time.Duration // of a fixed delay
	Paused       bool
	// Entry is the entry of triggers:inbox that requests the change; "" for none. The step
	// that makes the change removes it.
	Entry string
}

// TriggerOp is what a replica does with a trigger.
type TriggerOp string

// What a replica does with a trigger.
const (
	FireTrigger    TriggerOp = "fire"    // make the tasks of planned times that have passed
	FirePending    TriggerOp = "pending" // make the task that waits for the end of another one
	CheckTrigger   TriggerOp = "check"   // check whether the task of a fixed delay has ended
	RunTriggerOnce TriggerOp = "run"     // make a task besides the schedule
)

// TriggerFiring is what a replica decided about a trigger. The store applies it only if
// Version, and the planned time or pending time of Read, are still current.
type TriggerFiring struct {
	Read      StoredTrigger
	Op        TriggerOp
	Next, Due time.Time     // the next planned time, and when it is due
	After     time.Duration // of a fixed delay
	Overlap   string        // "allow", "skip", "queue" or "stop"

	// First and Last are the first and the last planned time that get no task, zero for
	// none. Why is the reason.
	First, Last time.Time
	Why         string

	// Spec is the spec of the tasks without their payloads.
	Spec  Spec
	Tasks []PlannedTask
}

// PlannedTask is the task of one planned time.
type PlannedTask struct {
	Planned time.Time
	Payload []byte
}

// FiredTriggers is the answer of a store that was asked to fire triggers.
type FiredTriggers struct {
	Now     time.Time         // by the store's clock; its resolution bounds that of the firings
	Next    time.Duration     // until other triggers can be got; 0 for none
	Changed []bool            // per firing: the trigger has changed meanwhile, so the firing had no effect
	Fired   [][]TriggerRecord // per firing
	// Due are triggers to handle at their At. Other replicas get them a moment after it.
	Due []StoredTrigger
}

// TriggerOutcome is what became of a planned time of a trigger.
type TriggerOutcome string

// The outcomes of a planned time.
const (
	TriggerEnqueued     TriggerOutcome = "enqueued"      // the task was made
	TriggerDuplicate    TriggerOutcome = "duplicate"     // its unique key or id was taken: Task has it
	TriggerQueueFull    TriggerOutcome = "queue_full"    // its queue was full
	TriggerLimitReached TriggerOutcome = "limit_reached" // the limits left no place for the task to run
	TriggerInvalid      TriggerOutcome = "invalid"       // the task was refused for another reason
	TriggerSkipped      TriggerOutcome = "skipped"       // the task before had not ended
	TriggerQueued       TriggerOutcome = "queued"        // the task before had not ended: the firing waits for its end
	TriggerMissed       TriggerOutcome = "missed"        // no replica handled it in time; the misfire rule left it out
)

// TriggerRecord is an entry of a trigger's history.
type TriggerRecord struct {
	Planned time.Time      // the planned time; of a run besides the schedule, when it was requested
	Last    time.Time      // of several planned times that were missed: the last one; zero for one
	At      time.Time      // when it was handled
	Outcome TriggerOutcome // what became of it
	Task    string         // the id of the task; "" for none
	Why     string         // why no task was made; "" if one was made
}
