package task

import "time"

// QueueInfo is a queue at one instant.
type QueueInfo struct {
	Name    string
	Waiting int
	Running int
	Limit   int // running tasks over all replicas; 0 is no limit
	MaxLen  int // 0 is no cap
	Paused  bool
	// GroupsFull says that tasks wait and that each is held by the limit of its
	// group, as far as claims have come across them.
	GroupsFull bool
}

// QueueRate is how many tasks of a queue were made and ended per second.
type QueueRate struct{ In, Out float64 }

// GroupInfo is a group of tasks at about one instant.
type GroupInfo struct {
	Name    string
	Limit   int  // running tasks over all replicas and queues; 0 is no limit
	Own     bool // Limit is the group's own, not the default
	Running int
	// Held is how many waiting tasks the limit keeps from starting, 0 while the
	// group has room. Those that waited before there was a limit count once a claim
	// has come across them.
	Held int
}

// Full reports whether none of the group's tasks can start before one of them ends.
func (g GroupInfo) Full() bool { return g.Limit > 0 && g.Running >= g.Limit }

// Stats is the pool at one instant, if it has at most 250 queues; those beyond are
// read a moment later. At every instant Enqueued + Retried equals the live tasks plus
// the Ended ones.
type Stats struct {
	Queues     []QueueInfo // by name
	Scheduled  int
	Waiting    int
	Running    int
	Kept       map[State]int   // terminal tasks that can still be read
	Enqueued   int64           // tasks ever made
	Retried    int64           // ended tasks put back by a person
	Ended      map[State]int64 // ends ever reached
	LeasesLost int64           // leases that ever ended without a report
	Inbox      int             // entries that are not tasks yet
	Rejected   int             // entries in the inbox's reject stream
	Events     int             // entries in the event stream
	Replicas   int
	Limit      int // of the pool; 0 is no limit
	Paused     bool
}

// ReplicaInfo is a live replica as its last heartbeat described it.
type ReplicaInfo struct {
	ID        string
	Host      string
	PID       int
	Version   string
	StartedAt time.Time
	SeenAt    time.Time
	Silent    time.Duration  // since SeenAt, by the store's clock
	Lease     time.Duration  // how long it may be silent before its tasks go to others
	Draining  bool           // it was asked to drain
	Queues    map[string]int // slots by queue, of at most 250 queues
	Kinds     []string
	Running   int
	Stuck     int
}
