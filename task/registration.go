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
	Kinds    map[string]Policy // every kind that has a handler
	Limit    int               // of the pool; 0 keeps the current one, NoLimit removes it
	Groups   Groups            // a zero limit keeps the current one
	MaxEvent int               // events that the stream keeps; 0 keeps the current bound
	EventAge time.Duration     // how long the stream keeps an entry; 0 keeps the current bound
}

// QueueConfig configures one queue of a replica. Limit and MaxLen belong to the pool
// and apply once the replica has joined. If they are 0, the pool keeps its current
// values; a new queue has no limit and no cap. NoLimit removes them.
type QueueConfig struct {
	Workers int // slots in this replica
	Limit   int // running tasks over all replicas
	MaxLen  int // waiting tasks; beyond it enqueues fail with ErrQueueFull; scheduled tasks do not count
}

// Groups limits how many tasks of one group run at once over all replicas. If a limit
// is 0, the pool keeps its current one, at first no limit. NoLimit in Limits exempts a
// group from DefaultLimit; a DefaultLimit of NoLimit removes that limit.
type Groups struct {
	DefaultLimit int            // for every group without a limit of its own
	Limits       map[string]int // by group
}
