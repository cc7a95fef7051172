package task

import "time"

// Registration is what a replica says of itself when it joins.
type Registration struct {
	Replica  string
	Host     string
	PID      int
	Version  string
	Lease    time.Duration
	Up       time.Duration // since it started: more than zero if it joins again
	Queues   map[string]QueueConfig
	Kinds    map[string]Policy // every kind it has a handler for
	Limit    int               // of the pool; 0 keeps what is set
	Groups   Groups            // limits of groups
	MaxEvent int               // tasks whose events the stream keeps at most; 0 keeps what is set
	EventAge time.Duration     // how long the event stream keeps an entry; 0 keeps what is set
}

// QueueConfig is one queue as a replica serves it. Limit and MaxLen hold in the
// pool once the replica has joined; 0 leaves what is set there as it is, at first
// none.
type QueueConfig struct {
	Workers int // slots in this replica
	Limit   int // running tasks over all replicas
	MaxLen  int // waiting tasks beyond which enqueues are refused with ErrQueueFull; scheduled ones do not count
}

// Groups limits the tasks of one group that run at once over all replicas. Zero leaves
// what is set in the pool as it is, at first no limit: a group is exempt from the
// DefaultLimit only by a limit of its own that is high enough.
type Groups struct {
	DefaultLimit int            // for every group without a limit of its own
	Limits       map[string]int // by group
}
