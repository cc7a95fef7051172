package worker

import "time"

// Receipt is the answer to one enqueued Spec.
type Receipt struct {
	// ID is that of the task that was made, or was there. With an Err it is the one
	// that the task was to have; one that was refused has not been made.
	ID    string
	State State // the one it is in
	// Duplicate says that no task was made: the id or the unique key was taken
	// by the task that ID names, which is in State.
	Duplicate bool
	// Err is set where the task was refused: ErrQueueFull.
	Err error
}

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

// AttemptRecord is one entry of a task's history. Only attempts that failed or
// were lost leave one; the newest MaxHistory are kept.
type AttemptRecord struct {
	Attempt int64         // its number, from 1
	Code    Code          // why it ended
	At      time.Time     // when it ended
	Run     time.Duration // from its claim to its end
	Replica string        // who ran it
	Error   string        // what went wrong
	Log     string        // the end of its log, where its handler kept one
}

// MaxHistory is how many attempts a task's history keeps.
const MaxHistory = 10

// Filter selects tasks. Fields are combined with and, the values inside one
// field with or. The zero Filter selects everything; operations that change
// tasks refuse it.
type Filter struct {
	IDs    []string // the tasks named
	States []State
	Kinds  []string
	Queues []string
	Groups []string // tasks without a group match none

	// Brief leaves payload, headers and result unread, which may be nearly all there is
	// to read. It selects nothing.
	Brief bool
}

// Empty reports whether the filter would select every task.
func (f Filter) Empty() bool {
	return len(f.IDs) == 0 && len(f.States) == 0 && len(f.Kinds) == 0 && len(f.Queues) == 0 && len(f.Groups) == 0
}

// Change is what became of one task that somebody asked to stop, retry or
// delete.
type Change struct {
	ID string
	// Done says that the request took effect. A running task that is asked to
	// stop is Done while it is still Running: its handler's context is cancelled.
	Done bool
	// State is the task's state afterwards, "" where there is no such task.
	State State
	// Err says why a request that fits the state was refused: ErrUniqueTaken.
	Err error
}

// Setting is a live setting of a pool, a queue or a group.
type Setting struct {
	Scope  Scope
	Name   string // the queue's or group's; "" for the pool and the group default
	Limit  *int   // 0 removes the limit
	Pause  *bool  // pool and queues only
	MaxLen *int   // queues only; 0 removes the cap
}

// Scope is what a Setting is about.
type Scope string

// The scopes of a Setting.
const (
	PoolScope   Scope = "pool"
	QueueScope  Scope = "queue"
	GroupScope  Scope = "group"
	GroupsScope Scope = "groups" // the default of every group without a limit of its own
)
