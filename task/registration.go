package task

import "time"

// Registration describes a replica that joins a pool.
type Registration struct {
	Replica string
	Host    string
	PID     int
	Version string
	Lease   time.Duration
	// DrainTimeout and StopGrace bound how long a drain of the replica takes.
	DrainTimeout, StopGrace time.Duration
	Up                      time.Duration // time since the replica started; more than zero if it joins again
	Queues                  map[string]QueueConfig
	Kinds                   map[string]Policy // every kind that has a handler, disabled ones included
	Exports                 map[string]Export // of kinds that have a handler
	Disabled                []string          // kinds whose handlers are disabled: the replica releases their tasks
	Limit                   int               // of the pool; 0 keeps the current one, NoLimit removes it
	Groups                  Groups            // a zero limit keeps the current one
	// Labels are those that the replica configures. Exclusive is set if it takes only tasks
	// that have a label.
	Labels    []string
	Exclusive bool
	MaxEvent  int           // events that the stream keeps; 0 keeps the current bound
	EventAge  time.Duration // how long the stream keeps an entry; 0 keeps the current bound

	// CalendarEnds has the last day of the data of each calendar of triggers whose data ends.
	CalendarEnds map[string]time.Time

	// ArchiveWait is for how long ended tasks are kept until the archive has them; 0 keeps the
	// current setting, NoWait removes it.
	ArchiveWait time.Duration
}

// NoWait is the ArchiveWait of a pool whose ended tasks do not wait for an archive. It
// replaces a setting that was made before.
const NoWait = time.Duration(-1)

// QueueConfig configures one queue of a replica. Limit and MaxLen belong to the pool
// and apply once the replica has joined. If they are 0, the pool keeps its current
// values; a new queue has no limit and no cap. NoLimit removes them.
type QueueConfig struct {
	Workers int // slots in this replica
	Limit   int // running tasks over all replicas
	MaxLen  int // waiting tasks; beyond it enqueues fail with ErrQueueFull; scheduled tasks do not count

	// Slots names slots that the queue shares with others, in place of Workers. "" for none.
	Slots string
	// Weight is the share of the queue in these slots, from 1 to 1000. Default: 1.
	Weight int
	// Rate bounds how many tasks start per time over all replicas. The zero Rate keeps the
	// pool's current rate, at first none. NoRate removes it.
	Rate Rate
	// Aging lets waiting gain priority: a priority of one more is worth as much as waiting for
	// this long. 0 keeps the pool's current aging, at first none, which is strict priority.
	// NoAging removes it. It changes only while no task of the queue waits or runs: else the
	// current one stays, and the replica logs a warning. From MinAging to MaxAging.
	Aging time.Duration
}

// Slots are slots that several queues of a replica share. While several of them have tasks,
// each starts tasks in proportion to its weight.
type Slots struct {
	Workers int // slots in this replica
	// Strict starts a task of a queue only if no queue with a higher weight had one at the
	// latest call of the replica.
	Strict bool
}

// HandlerConfig configures the handler of one kind in a replica. The zero value changes
// nothing.
type HandlerConfig struct {
	// Concurrency gives the kind a queue of its own, with the name of the kind and this many
	// slots in this replica. An attempt of the kind takes one of these slots whatever queue
	// its task comes from, so at most this many run here at once. Default: 0, for no own
	// queue and no bound.
	Concurrency int
	// Disabled keeps tasks of the kind from running here. The replica does not claim from the
	// kind's own queue. It releases tasks of the kind that it claims from other queues, which
	// uses no attempt.
	Disabled bool
}

// Groups limits how many tasks of one group run at once over all replicas. If a limit
// is 0, the pool keeps its current one, at first no limit. NoLimit in Limits exempts a
// group from DefaultLimit; a DefaultLimit of NoLimit removes that limit.
type Groups struct {
	DefaultLimit int            // for every group without a limit of its own
	Limits       map[string]int // by group

	// DefaultRate bounds how many tasks of each group without a rate of its own start per time,
	// Rates those of single groups. NoRate in Rates exempts a group from DefaultRate; a
	// DefaultRate of NoRate removes that rate. The zero Rate keeps the pool's current one.
	DefaultRate Rate
	Rates       map[string]Rate // by group
}
