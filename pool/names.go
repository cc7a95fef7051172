package pool

import (
	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
	"github.com/ltsworker/ltsworker/worker"
)

// The names of package task that a service needs, so that it imports only this
// package and a store. All but Queue are the same there. The comments of structs show
// their fields, which a test keeps in step.
type (
	// Spec describes a task to enqueue; NewSpec makes one. See task.Spec.
	//
	//	// ID names the task: a second enqueue with the same ID makes no second task.
	//	// Default: a new id of 22 characters that sorts by time. Characters: see CheckName.
	//	ID string
	//	// Kind selects the handler. Required. Characters: see CheckName.
	//	Kind string
	//	// Queue is the queue in which the task waits. Default: DefaultQueue. Characters:
	//	// see CheckName.
	//	Queue string
	//	// Payload is passed to the handler byte for byte. Any UTF-8 text of at most
	//	// MaxPayload bytes, so that programs in any language can read it: encode other bytes
	//	// in base64, for instance. Default: empty.
	//	Payload []byte
	//	// Priority orders the queue: tasks with a higher priority start first, equal ones
	//	// in the order in which they were added. Default: 0.
	//	Priority int8
	//	// Group is a key (tenant, licence, device) whose running tasks can be limited.
	//	// Default: none. Characters: see CheckName.
	//	Group string
	//	// Unique is a key that only one live task of the pool may have. It is free again
	//	// when the task ends. Any UTF-8 text of at most MaxUnique bytes. A task that was
	//	// read has the stored form of the key: see UniqueKey. Default: none.
	//	Unique string
	//	// Headers are passed to the handler. The task's terminal event has them in Meta
	//	// (JSON: meta). Default: none. At most MaxHeaders, each key and value in UTF-8 and
	//	// at most MaxHeaderLen bytes.
	//	Headers map[string]string
	//	// Delay is the time from the enqueue until the task becomes waiting, by the store's
	//	// clock. Default: 0, at once. It cannot be combined with RunAt.
	//	Delay time.Duration
	//	// RunAt is the time at which the task becomes waiting, by the store's clock; never
	//	// earlier. A time in the past means at once. Precision: 1 ms. Between the years
	//	// 1970 and 2200.
	//	RunAt time.Time
	//	// Hold makes the task scheduled without a time: it is on hold until an operator starts
	//	// it with Pool.RunNow. TTL and deadline count from the enqueue, so a task on hold can
	//	// expire. Hold cannot be combined with Delay or RunAt. Of a task that was read, Hold
	//	// is true until it is started. Default: false.
	//	Hold bool
	//	// FailOnLimit refuses the task with ErrLimitReached if the limits of pool, queue and
	//	// group leave no place for it to run now. The running tasks and the waiting tasks
	//	// that are ahead in its queue take places. Waiting tasks of other queues do not. In a
	//	// paused queue there is no place. It says nothing about free slots: without a replica
	//	// the task waits. It cannot be combined with Delay, RunAt or Hold. A task that was
	//	// read does not have it. Default: false, the task waits.
	//	FailOnLimit bool
	//	// Timeout bounds one attempt, from its start. Forever means none. Default: the
	//	// kind's policy, else DefaultTimeout.
	//	Timeout time.Duration
	//	// TTL is the time from the enqueue within which the first attempt must start.
	//	// Afterwards the task is expired. It must be longer than Delay. Default: none.
	//	TTL time.Duration
	//	// Deadline is the time from the enqueue that the task may take over all its
	//	// attempts. A task that has not started by then is expired. A task that has started
	//	// fails with CodeDeadline and is not retried. It fails at once if a retry or Snooze
	//	// would start after the deadline. It must be longer than Delay. Default: none.
	//	Deadline time.Duration
	//	// MaxAttempts is the number of failures after which the task has failed: 5 allow
	//	// four retries. At most MaxMaxAttempts. Default: the kind's policy, else
	//	// DefaultMaxAttempts.
	//	MaxAttempts int
	//	// Backoff is the wait between attempts. Default: the kind's policy, else
	//	// DefaultBackoff.
	//	Backoff Backoff
	//	// Reply also pushes the outcome to the task's reply list, for clients in other
	//	// languages: see docs/protocol.md. It requires an ID. Default: no reply.
	//	Reply bool
	//	// Retain is how long the task is kept after its end. Zero removes it at once,
	//	// Forever keeps it until it is deleted. Default (nil): a succeeded task is removed
	//	// at once, or after RetainResult if it has a result or a log; other ended tasks are
	//	// kept for RetainFailed.
	//	Retain *time.Duration
	Spec = task.Spec
	// Receipt is the answer to one enqueued Spec. See task.Receipt.
	//
	//	// ID is the id of the task that was made or already existed. If Err is set it is
	//	// the id that the task would have had.
	//	ID    string
	//	State State // of the task with that ID
	//	// Duplicate reports that no task was made, because an existing task, whose id is in
	//	// ID, has the id or the unique key.
	//	Duplicate bool
	//	// Err is ErrQueueFull, ErrLimitReached or a FieldError if the task was refused. A TTL or a deadline is
	//	// refused here if it passes before RunAt by the store's clock.
	//	Err error
	Receipt = task.Receipt
	// State is the state of a task. See task.State.
	State = task.State
	// Code is the reason why an attempt ended. See task.Code.
	Code = task.Code
	// Event is one change of state of one task. See task.Event.
	//
	//	// Cursor is the position of the entry in the stream; reading continues after it.
	//	// All events of one entry have the same Cursor.
	//	Cursor string
	//	// More reports whether other events of the same entry follow. A reader stores
	//	// Cursor only after the last one. Pool.Events sets More.
	//	More bool
	//
	//	ID      string // ID, Kind, Queue and Group are those of the task
	//	Kind    string
	//	Queue   string
	//	Group   string            // "" for none
	//	State   State             // the state after the change
	//	Code    Code              // why the attempt ended; CodeSlow for the soft timeout; "" for a plain enqueue, promotion or claim
	//	Attempt int64             // number of the attempt; 0 before the first
	//	Version int64             // version of the task: orders its events and identifies repeated ones
	//	Replica string            // the replica that runs or ran the attempt; "" for none
	//	At      time.Time         // by the store's clock
	//	Wait    time.Duration     // on claims: from due to claimed
	//	Run     time.Duration     // on ended attempts: from claimed to ended
	//	Error   string            // on failures; on a stop, the reason given with it
	//	Meta    map[string]string // on terminal events: the task's headers, and what SetMeta has set
	//	Orphan  string            // on terminal events: Task.Orphan
	//	Result  []byte            // on success, if it is at most MaxEventResult bytes
	//	// Exported is set on a success if an exporter has saved the result: Result is a Reference.
	//	Exported bool
	//	// ResultBytes is the length of a result that is longer than MaxEventResult and
	//	// therefore stored only in the task; else 0.
	//	ResultBytes int
	//
	//	// Broken is set if a part of the entry could not be read, because another program
	//	// wrote it or damaged the record of its task. It says which part. An event that has
	//	// Broken and no ID belongs to no known task.
	//	Broken error
	Event = task.Event
	// Lag is how far a subscription is behind. See task.Lag.
	//
	//	Unread    int // events that no consumer has read, without those that were trimmed
	//	Pending   int // events that were read and not yet acknowledged
	//	MaxEvents int // number of events that the pool keeps; older ones are trimmed, read or not
	Lag = task.Lag
	// Filter selects tasks to list, stop, retry, run now, change or delete. See task.Filter.
	//
	//	IDs    []string
	//	States []State
	//	Kinds  []string
	//	Queues []string
	//	Groups []string // tasks without a group match none
	//	Hold   bool     // only scheduled tasks that are on hold: see Spec.Hold
	//	Unique []string // unique keys, as they were given or in their stored form: see UniqueKey
	//
	//	// Brief omits the payload, headers, result, log and checkpoint of the tasks, which are
	//	// often most of the data. It does not affect the selection.
	//	Brief bool
	//	// Progress is called repeatedly with the number of tasks read so far, those included
	//	// that do not match. It may be nil.
	//	Progress func(read int)
	Filter = task.Filter
	// Edit is a new priority and a new payload for tasks that do not run. See task.Edit.
	//
	//	Priority *int8  // nil keeps the priority
	//	Payload  []byte // as in Spec; nil keeps the payload, an empty one that is not nil replaces it
	//	// Rerun runs the handler again although the result of the task is staged: its export has
	//	// failed or was stopped. It is for retries. Without it, and without a payload, a retry
	//	// exports that result again.
	//	Rerun bool
	Edit = task.Edit
	// Exporter keeps the results of a kind outside of the pool. See task.Exporter.
	Exporter = task.Exporter

	// Export configures the exporter of a kind. See task.Export.
	//
	//	Exporter Exporter
	//	// Workers is how many results of the kind this replica saves at once, beside the slots of
	//	// its queues. Default: DefaultExportWorkers (2).
	//	Workers int
	//	// Timeout bounds one save. Default: DefaultExportTimeout (1m).
	//	Timeout time.Duration
	//	// MaxAttempts is after how many failed saves the task has failed. A save whose lease was
	//	// lost counts. At most MaxMaxAttempts. Default: DefaultExportAttempts (100).
	//	MaxAttempts int
	//	// Backoff is the time until the next save. Default: DefaultBackoff (exponential, from 1s to
	//	// 10m).
	//	Backoff Backoff
	//	// MaxStaged bounds how many results of the kind are staged in the pool. Beyond it no task
	//	// of the kind starts. Default: DefaultMaxStaged (1000).
	//	MaxStaged int
	Export = task.Export

	// Policy holds the defaults of one kind of task. See task.Policy.
	//
	//	Timeout     time.Duration // of one attempt; Forever means none; default DefaultTimeout (30m)
	//	SoftTimeout time.Duration // after which an event with CodeSlow is sent; shorter than Timeout; 0 means never
	//	// ProgressTimeout is how long an attempt may report no progress, from its start on: no
	//	// call of SetProgress or Checkpoint, no progress line of a command. Then it times out,
	//	// with CodeTimeout. It is shorter than Timeout. The replica that runs the attempt
	//	// measures it. 0 means any time.
	//	ProgressTimeout time.Duration
	//	MaxAttempts     int     // failures after which the task has failed: 5 allow four retries; at most MaxMaxAttempts; default DefaultMaxAttempts (5)
	//	MaxLost         int     // lost leases after which the task is retried: it fails with the next; at most MaxMaxAttempts; default DefaultMaxLost (3)
	//	InPlace         int     // failed attempts of a claim that are retried at once in the same slot; at most MaxMaxAttempts; default 0
	//	Backoff         Backoff // default DefaultBackoff (exponential, from 1s to 10m)
	//	// AvoidFailed is set if the retry of a failed attempt prefers a replica other than the
	//	// one on which it failed. If no other one takes the task within about a second, the same
	//	// one runs it.
	//	AvoidFailed bool
	//
	//	// LargeResult is what happens to a result that is longer than its limit: MaxResult, or
	//	// the limit of a command. Default: FailLargeResult; TruncateLargeResult for a command.
	//	LargeResult LargeResult
	Policy = task.Policy
	// Backoff is the wait between a failed attempt and the next one. See task.Backoff.
	//
	//	Fixed bool          // wait exactly Base
	//	Base  time.Duration // from 1 ms to 365 days
	//	Max   time.Duration // exponential only, from Base to 365 days; 0: the longer of DefaultBackoff.Max and Base
	Backoff = task.Backoff
	// Queue configures one queue of a replica. See task.QueueConfig.
	//
	//	Workers int // slots in this replica
	//	Limit   int // running tasks over all replicas
	//	MaxLen  int // waiting tasks; beyond it enqueues fail with ErrQueueFull; scheduled tasks do not count
	Queue = task.QueueConfig
	// HandlerConfig configures the handler of one kind in a replica. See task.HandlerConfig.
	//
	//	// Concurrency gives the kind a queue of its own, with the name of the kind and this many
	//	// slots in this replica. An attempt of the kind takes one of these slots whatever queue
	//	// its task comes from, so at most this many run here at once. Default: 0, for no own
	//	// queue and no bound.
	//	Concurrency int
	//	// Disabled keeps tasks of the kind from running here. The replica does not claim from the
	//	// kind's own queue. It releases tasks of the kind that it claims from other queues, which
	//	// uses no attempt.
	//	Disabled bool
	HandlerConfig = task.HandlerConfig
	// Groups limits groups of tasks. See task.Groups.
	//
	//	DefaultLimit int            // for every group without a limit of its own
	//	Limits       map[string]int // by group
	Groups = task.Groups
	// GroupInfo is a group of tasks at about one instant. See task.GroupInfo.
	//
	//	Name    string
	//	Limit   int  // running tasks over all replicas and queues; 0 is no limit
	//	Own     bool // Limit was set for this group, also if it is 0; false if it is the default limit
	//	Running int
	//	// Held is how many waiting tasks the limit blocks; 0 while the group has free
	//	// slots. A task that was waiting before the limit was set counts once a claim has
	//	// checked it.
	//	Held int
	GroupInfo = task.GroupInfo
	// QueueInfo is a queue at one instant. See task.QueueInfo.
	//
	//	Name    string
	//	Waiting int
	//	Running int
	//	Limit   int // running tasks over all replicas; 0 is no limit
	//	MaxLen  int // 0 is no cap
	//	Paused  bool
	//	// GroupsFull reports that tasks wait and that the limits of their groups block all
	//	// of them. Tasks that no claim has checked count as not blocked.
	//	GroupsFull bool
	QueueInfo = task.QueueInfo
	// Stats is the pool at one instant. See task.Stats.
	//
	//	Queues    []QueueInfo // by name
	//	Scheduled int
	//	Hold      int // of the scheduled tasks, those on hold
	//	Waiting   int
	//	Running   int
	//	Outside   int // running tasks that are outside: a report ends them; none is in a slot
	//	// Full has the kinds of which as many results are staged as may be: none of their tasks starts.
	//	Full       []string
	//	Kept       map[State]int   // terminal tasks that can still be read
	//	Enqueued   int64           // tasks made since the pool exists
	//	Retried    int64           // retries of ended tasks by an operator
	//	Ended      map[State]int64 // tasks ended since the pool exists
	//	LeasesLost int64           // leases that ended without a report since the pool exists
	//	Inbox      int             // entries not yet admitted
	//	Rejected   int             // entries in the inbox's reject stream
	//	Events     int             // events in the event stream
	//	Replicas   int
	//	Limit      int // of the pool; 0 is no limit
	//	Paused     bool
	Stats = task.Stats
	// ReplicaInfo is a live replica as of its last heartbeat. See task.ReplicaInfo.
	//
	//	ID        string
	//	Host      string
	//	PID       int
	//	Version   string
	//	StartedAt time.Time
	//	SeenAt    time.Time
	//	Silent    time.Duration  // since SeenAt, by the store's clock
	//	Lease     time.Duration  // how long the replica may be silent before other replicas get its tasks
	//	Draining  bool           // a drain was requested
	//	Refuses   string         // why the replica takes no tasks for now, as its Config.Admit returned it; "" if it takes some
	//	Outages   []Outage       // of servers that its tasks need, the oldest first
	//	Queues    map[string]int // slots by queue, of at most 250 queues
	//	Kinds     []string       // that have a handler
	//	Disabled  []string       // those of the Kinds that do not run here, at most 250
	//	Running   int
	//	Stuck     int
	//
	//	CalendarEnds map[string]time.Time // last day of the data of calendars of triggers whose data ends, of at most 250
	ReplicaInfo = task.ReplicaInfo
	// Reject is an inbox entry that could not become a task. See task.Reject.
	//
	//	ID     string    // its position among the rejected entries, such as "1700000000000-0"
	//	At     time.Time // when it was rejected
	//	Code   string    // "invalid", "duplicate", "queue_full" or "limit_reached"
	//	Reason string    // everything that is wrong with the entry, one line
	//	Task   string    // for "duplicate": the id of the task that has the id or the unique key
	//	Bytes  int       // the length of the entry
	//	Entry  string    // at most its first 16 KiB
	Reject = task.Reject
	// Health describes a replica at one instant. See worker.Health.
	//
	//	Slots    int           // over all queues
	//	Running  int           // slots in use, those of stuck handlers included
	//	Stuck    int           // handlers that were given up because they ignore their cancelled context
	//	Dropped  int64         // outcomes dropped since the start, because another replica may run the task
	//	Joined   bool          // the replica has joined the pool
	//	Draining bool          // the replica takes no more tasks and ends after the running ones
	//	Refuses  string        // why Config.Admit refuses new tasks; "" if it admits them
	//	Failing  time.Duration // how long calls to the store have been failing; 0 if they work
	Health = worker.Health
	// Maintenance is the result of one turn of Maintain. See task.Maintenance.
	//
	//	Busy  bool          // another replica holds the maintenance lock; nothing was done
	//	Inbox bool          // the inbox holds entries
	//	Next  time.Duration // until the next scheduled work; 0 if none is known
	//	// Reports is set if the list of reports from outside has entries.
	//	Reports bool
	//
	//	Claims   int // leases that ended before all their attempts were reported
	//	Lost     int // attempts that were taken back from these leases
	//	TimedOut int // attempts outside for which no report arrived in time
	//	Due      int // scheduled tasks that became waiting
	//	Late     int // tasks that ended because their TTL or deadline passed
	//	Removed  int // ended tasks whose retention passed
	//	Trimmed  int // events that were too many or too old
	//	Replicas int // silent replicas that were removed from the list
	//
	//	// LateTriggers names triggers that should have fired and have not, at most once a minute.
	//	LateTriggers []string
	//
	//	// Repaired lists broken records that were repaired or renamed. A turn checks a part
	//	// of the records; later turns check the others. Repaired is also valid with an
	//	// error.
	//	Repaired []Finding
	Maintenance = task.Maintenance
	// AttemptRecord is an ended attempt in a task's history. See
	// task.AttemptRecord.
	//
	//	Attempt int64         // number of the attempt, from 1
	//	Code    Code          // why it ended: CodeOK for a success
	//	At      time.Time     // when it ended
	//	Run     time.Duration // from its claim to its end, or until its loss was noticed
	//	Replica string        // the replica that ran it
	//	Error   string        // what went wrong; "" for a success or a release
	//	Log     string        // the end of its log: see Task.LogWriter; "" for none
	//	LogSize int64         // bytes that the attempt wrote to its log
	AttemptRecord = task.AttemptRecord
	// Scope is the object of a limit: the pool, a queue, a group, or all groups without
	// a limit of their own. See task.Scope.
	Scope = task.Scope
	// Handler runs one attempt of a task; see Handle for handlers of a Go type. See
	// task.Handler.
	Handler = task.Handler
	// Middleware wraps every handler of a replica. See task.Middleware.
	Middleware = task.Middleware
	// FieldError is an invalid field of an argument or a config. Read it with errors.As
	// and a *pool.FieldError. See task.FieldError.
	//
	//	// Field is the name of the field or argument in snake case, with the keys of maps
	//	// in between: "max_attempts", "queues.default.max_len". For an inbox entry it is
	//	// the name in the JSON.
	//	Field string
	//	Msg   string // what is wrong and what to do, e.g. `must not contain "{"`
	FieldError = task.FieldError
	// TrimmedError is returned when events were trimmed before a reader read them. See
	// task.TrimmedError.
	//
	//	After string // the cursor that was given
	//	Next  string // the cursor to continue after
	TrimmedError = task.TrimmedError
	// SchemaError is returned when an incompatible version wrote the pool. It wraps
	// ErrSchema. See task.SchemaError.
	//
	//	Pool  string // name of the pool
	//	Has   string // schema version of the pool
	//	Knows string // schema version of this program
	SchemaError = task.SchemaError
	// Finding is the result of one check of an inspection. See task.Finding.
	//
	//	Severity Severity
	//	Check    string // what was checked: "version", "eviction", "entries" …
	//	Code     string // for the check "entries", the kind of damage, a stable word; else ""
	//	Key      string // the key concerned; "" for none
	//	Task     string // the id of the task concerned; "" for none
	//	What     string // what was found
	//	Do       string // what to do about it; "" if nothing has to be done
	//	Fixed    string // what the inspection did about it; "" for nothing
	//
	//	// Figures are the numbers in What by name, such as "used_bytes"; nil for none.
	//	// Durations are in ms.
	//	Figures map[string]float64
	Finding = task.Finding
	// Inspection configures an inspection. See task.Inspection.
	//
	//	// Fix repairs broken records. It renames a key that it cannot repair. It changes no
	//	// settings of the server.
	//	Fix bool
	//	// Progress is called repeatedly with the number of records checked so far and the
	//	// approximate total. It may be nil.
	//	Progress func(checked, total int)
	Inspection = task.Inspection
	// Severity is how much a Finding matters. See task.Severity.
	Severity = task.Severity
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
	//	// Default: OverlapAllow. A trigger with After has at most one task.
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
