package task

import "time"

// Registration describes a replica that joins a pool.
type Registration struct {
	Replica  string
	Host     string
	PID      int
	Version  string
	Lease    time.Duration
	Up       time.Duration // time since the replica started; more than zero if it joins again
	Queues   map[string]QueueConfig
	Kinds    map[string]Policy // every kind that has a handler, disabled ones included
	Exports  map[string]Export // of kinds that have a handler
	Disabled []string          // kinds whose handlers are disabled: the replica releases their tasks
	Limit    int               // of the pool; 0 keeps the current one, NoLimit removes it
	Groups   Groups            // a zero limit keeps the current one
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
}
