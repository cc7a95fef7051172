package pool

import (
	"github.com/ltsworker/ltsworker/task"
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
	//	// Labels are names such as gpu or zone=eu: only a replica that has all of them takes the
	//	// task. The order does not matter. A task that was read has them in the order of
	//	// CanonicalLabels. At most MaxLabels. Characters: see CheckLabel. Default: none, any
	//	// replica of the queue that is not exclusive takes the task.
	//	Labels []string
	//	// Unique is a key that only one live task of the pool may have. It is free again
	//	// when the task ends. Any UTF-8 text of at most MaxUnique bytes. A task that was
	//	// read has the stored form of the key: see UniqueKey. Default: none.
	//	Unique string
	//	// Headers are passed to the handler. The task's terminal event has them in Meta
	//	// (JSON: meta), except traceparent and tracestate. Default: none. At most MaxHeaders, each key and value in UTF-8 and
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
	//	// Shards makes the task a parent: this many children do its work, each a part, and it
	//	// ends when they have ended. It runs without a handler, takes no slot and counts for no
	//	// limit. Its children have the ids ID/0, ID/1 and so on, and its kind, payload, queue,
	//	// priority, group, headers and limits of time and attempts. The deadline bounds all of
	//	// them. At most MaxShards. Default: no parent.
	//	Shards int
	//	// ShardParams makes the task a parent with one child for each of these parameters, which
	//	// its handler finds in Task.Shard. Each is UTF-8 of at most MaxShardParam bytes, all
	//	// together have at most MaxShardParams. Default: none.
	//	ShardParams []string
	//	// Broadcast makes the task a parent with one child for each replica that would take it when
	//	// it begins to run: those that serve its queue, have its Labels and a handler for its Kind,
	//	// and do not drain. The handler finds the id of its replica in Shard.Param. A child whose
	//	// replica goes before it has ended fails with CodeLost. Without such a replica the task fails
	//	// with CodeNoHandler. There are at most MaxMembers. It cannot be combined with Shards or
	//	// ShardParams. Of a task that was read, these are the number of children and the ids of
	//	// their replicas. Default: false.
	//	Broadcast bool
	//	// FailFast ends the parent as failed with the first child that does not succeed, and stops
	//	// the others. Default: it ends when all children have, as failed if one of them has not
	//	// succeeded.
	//	FailFast bool
	//	// Then is a task that is made in the same step that ends this one as succeeded. Without a
	//	// payload it gets the result of this task as its payload. Its headers are added to those
	//	// of this task. Its queue takes it even if it is full. If it cannot be made, Task.ThenError
	//	// and the last event of this task say why. Its id is its ID, by default that of this task
	//	// and "/then"; after a retry of this task a number follows. It cannot have Then or Shards.
	//	// Default: none.
	//	Then *Spec
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
	//	Meta    map[string]string // on terminal events: the task's headers except those of its trace, and what SetMeta has set
	//	Orphan  string            // on terminal events: Task.Orphan
	//	// ThenID is the id of the task that follows, on a success of a task with Spec.Then.
	//	// ThenError says why it was not made.
	//	ThenID, ThenError string
	//	Result            []byte // on success, if it is at most MaxEventResult bytes
	//	// Exported is set on a success if an exporter has saved the result: Result is a Reference.
	//	Exported bool
	//	// ResultBytes is the length of a result that is longer than MaxEventResult and
	//	// therefore stored only in the task; else 0.
	//	ResultBytes int
	//
	//	// Trigger is the name of a trigger that should have fired at Planned and had not at At. The
	//	// event is about no task: its other fields are zero.
	//	Trigger string
	//	Planned time.Time
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
	//	Labels []string // tasks that have all of them
	//	Hold   bool     // only scheduled tasks that are on hold: see Spec.Hold
	//	Unique []string // unique keys, as they were given or in their stored form: see UniqueKey
	//
	//	// Parent selects the children of a parent by its id.
	//	Parent string
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
	//	// AllShards runs all shards of a parent again, not only those that have not succeeded. It
	//	// is for retries.
	//	AllShards bool
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
	//
	//	// Slots names slots that the queue shares with others, in place of Workers. "" for none.
	//	Slots string
	//	// Weight is the share of the queue in these slots, from 1 to 1000. Default: 1.
	//	Weight int
	//	// Rate bounds how many tasks start per time over all replicas. The zero Rate keeps the
	//	// pool's current rate, at first none. NoRate removes it.
	//	Rate Rate
	//	// Aging lets waiting gain priority: a priority of one more is worth as much as waiting for
	//	// this long. 0 keeps the pool's current aging, at first none, which is strict priority.
	//	// NoAging removes it. It changes only while no task of the queue waits or runs: else the
	//	// current one stays, and the replica logs a warning. From MinAging to MaxAging.
	//	Aging time.Duration
	Queue = task.QueueConfig
	// Slots are slots that several queues of a replica share. See task.Slots.
	//
	//	Workers int // slots in this replica
	//	// Strict starts a task of a queue only if no queue with a higher weight had one at the
	//	// latest call of the replica.
	//	Strict bool
	Slots = task.Slots
	// Rate bounds how many tasks start per time. See task.Rate.
	//
	//	N   int           // starts per Per, from 1 to MaxRate; NoLimit in the Rate NoRate
	//	Per time.Duration // time.Second, time.Minute or time.Hour
	//	// Burst is how many may start at once after a pause, from 1 to MaxRate. Default: the starts
	//	// of a tenth of a second, at least 1.
	//	Burst int
	Rate = task.Rate
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
	//
	//	// DefaultRate bounds how many tasks of each group without a rate of its own start per time,
	//	// Rates those of single groups. NoRate in Rates exempts a group from DefaultRate; a
	//	// DefaultRate of NoRate removes that rate. The zero Rate keeps the pool's current one.
	//	DefaultRate Rate
	//	Rates       map[string]Rate // by group
	Groups = task.Groups
	// Handler runs one attempt of a task; see Handle for handlers of a Go type. See
	// task.Handler.
	Handler = task.Handler
	// Middleware wraps every handler of a replica. See task.Middleware.
	Middleware = task.Middleware
	// Observer gets what a process does, for metrics; see Pool.Observe. See task.Observer.
	Observer = task.Observer

	// Tracer makes spans; see Config.Tracer and task.Tracer.
	Tracer = task.Tracer
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
)
